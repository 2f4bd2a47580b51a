"""An explanation as plain values for a file, and its evidence as sentences for a person."""

from typing import Any

from tritune.explanation.deletion import RANDOM_ORDERS
from tritune.explanation.explain import Explanation


def as_values(found: Explanation) -> dict[str, Any]:
    """Return an explanation fit for JSON: the answer, then `words` with their attributions, then evidence."""
    attribution, deletion = found.attribution, found.deletion
    error = round(attribution.error, 6) if attribution.error != float("inf") else None
    return {
        **found.asked.said,
        "score": {
            "is": found.asked.score_name,
            "value": round(attribution.score, 6),
            "without_words": round(attribution.baseline_score, 6),
        },
        "words": [
            {
                "part": word.part,
                "text": word.text,
                "start": word.start,
                "end": word.end,
                "attribution": round(value, 6),
                **({} if found.attention is None else {"attention": round(found.attention[number], 6)}),
            }
            for number, (word, value) in enumerate(zip(found.asked.words, found.words, strict=True))
        ],
        "integrated_gradients": {
            "steps": attribution.steps,
            "error": error,
            "complete": attribution.complete,
        },
        "deletion": {
            "area": round(deletion.area, 6),
            "random_area": round(deletion.random_area, 6),
            "random_orders": RANDOM_ORDERS,
            "random_orders_beaten": deletion.beaten,
        },
        "unread": list(found.asked.unread),
    }


def evidence(found: Explanation) -> list[str]:
    """Return sentences: do the numbers add up, do they say what the model uses, and what was left out?"""
    attribution, deletion = found.attribution, found.deletion
    sentences = [
        f"All words together: {found.asked.score_name} {attribution.score:.2f} with them, "
        f"{attribution.baseline_score:.2f} without."
    ]
    if attribution.complete:
        sentences.append(
            f"The numbers add up to the difference within {100 * attribution.error:.1f} % "
            f"({attribution.steps} steps)."
        )
    elif attribution.error == float("inf"):
        sentences.append("The words make no difference: the numbers explain nothing.")
    else:
        sentences.append(
            f"Caution: the numbers miss {100 * attribution.error:.0f} % of the difference even in "
            f"{attribution.steps} steps; read them as a rough order."
        )
    verdict = (
        "the numbers name what the model uses"
        if deletion.beaten == RANDOM_ORDERS
        else "don't rely on the numbers"
        if deletion.beaten <= RANDOM_ORDERS // 2
        else "the numbers say something, not all"
    )
    sentences.append(
        f"As the highest words are taken out first, the probability is {deletion.area:.3f} on average; in "
        f"random order {deletion.random_area:.3f}. That is lower than in {deletion.beaten} of "
        f"{RANDOM_ORDERS} random orders: {verdict}."
    )
    return [*sentences, *(f"Note: {sentence}." for sentence in found.asked.unread)]
