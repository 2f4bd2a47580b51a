"""How like the reference a generated text is, and how varied the texts are.

BLEU (Papineni et al. 2002) and chrF (Popović 2015) by sacrebleu with its defaults, over all texts at once,
from 0 to 100. ROUGE-L (Lin 2004) is the mean over texts of the F1 of their longest common subsequence of
words, from 0 to 1. distinct-n (Li et al. 2016) is the share of different n-grams among all that were written,
from 0 to 1.
"""

import re
from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

_WORDS = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)
"""Runs of letters and digits of any script, where rouge_score knows English only; one by one in Chinese."""


def generated_metrics(written: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return rouge_l, chrf, bleu, distinct_1 and distinct_2.

    Args:
        written: [texts] 1 or more; may be empty texts.
        references: [texts] one for each.
    """
    pairs = list(zip(written, references, strict=True))
    return {
        "rouge_l": sum(rouge_l(one, other) for one, other in pairs) / len(pairs),
        "chrf": float(CHRF().corpus_score(list(written), [list(references)]).score),
        "bleu": float(BLEU().corpus_score(list(written), [list(references)]).score),
        "distinct_1": distinct(written, 1),
        "distinct_2": distinct(written, 2),
    }


def rouge_l(written: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of words, in [0, 1]; 0 where a text has no word."""
    ours, theirs = words(written), words(reference)
    if not ours or not theirs:
        return 0.0
    common = _common(ours, theirs)
    return 2 * common / (len(ours) + len(theirs))


def distinct(texts: Sequence[str], n: int) -> float:
    """Return different n-grams of words / all of them, in [0, 1]; 0 where there is none."""
    grams = [tuple(text[i : i + n]) for text in map(words, texts) for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def words(text: str) -> list[str]:
    """Return a text's words in lower case, without punctuation."""
    return _WORDS.findall(text.lower())


def _common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(theirs) + 1)
    for word in ours:
        before = 0
        for place, other in enumerate(theirs, start=1):
            above = row[place]
            row[place] = before + 1 if word == other else max(above, row[place - 1])
            before = above
    return row[-1]
