"""Signs in a finished training's history that the model has learnt nothing."""

from collections.abc import Mapping, Sequence

from tritune.metrics.catalogue import metric_title
from tritune.task.contract import Guess


def training_warnings(history: Sequence[Mapping[str, float]], *, guess: Guess | None) -> list[str]:
    """Return a sentence for each sign; an empty list is the good case.

    Args:
        history: one row per epoch, in order, with `train_loss` and `validation_METRIC` of the guess.
        guess: what can be had without reading the inputs; None where nobody can tell.
    """
    if not history:
        return []
    remedy = (
        "try a learning rate 10 times higher or lower, more epochs, and look whether the labels fit the texts"
    )
    signs = []
    first, last = history[0]["train_loss"], history[-1]["train_loss"]
    if guess is not None and last >= 0.98 * guess.loss:
        signs.append(
            f"the training loss ended at {last:.3f}, no better than {guess.loss_words} ({guess.loss:.3f}): "
            f"{remedy}"
        )
    elif len(history) > 1 and last >= 0.99 * first:
        signs.append(f"the training loss did not fall ({first:.3f} to {last:.3f}): {remedy}")
    if guess is not None:
        best = max(row[f"validation_{guess.metric}"] for row in history)
        if best <= guess.score + 1e-9:
            signs.append(
                f"the best validation {metric_title(guess.metric)} ({best:.3f}) is no better than "
                f"{guess.score_words} ({guess.score:.3f}): {remedy}"
            )
    return signs
