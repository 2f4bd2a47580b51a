"""A reader that compares words: the sentence of the context that shares the rarest words with the question.

Source: the sliding-window baseline's idea (Richardson et al. 2013, Rajpurkar et al. 2016) on whole sentences.
It always answers, so questions without an answer are all wrong.
"""

import math
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import regex

from tritune.metrics.answers import answer_score, rules_for
from tritune.task.contract import Baseline, Floor
from tritune.words import words_of

NAME = "the sentence most like the question"
SENTENCE = regex.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|\n+")


def baseline(ingested: Path) -> Baseline:
    """Answer every question of the validation and the test split.

    How rare a word is, the training contexts tell.

    Args:
        ingested: `data/ingested`.
    """
    training = set(
        pq.read_table(ingested / "train.parquet", columns=["context"]).column("context").to_pylist()
    )
    seen = Counter(word for context in training for word in _words(context))
    rarity = {word: math.log1p(len(training) / count) for word, count in seen.items()}
    unseen = math.log1p(2 * len(training))
    scores, parts = {}, []
    for split in ("validation", "test"):
        rows = pq.read_table(
            ingested / f"{split}.parquet", columns=["id", "question", "context", "answers"]
        ).to_pydict()
        rules = rules_for(rows["answers"])
        said = []
        for question, context in zip(rows["question"], rows["context"], strict=True):
            asked = _words(question)
            sentences = [part for part in SENTENCE.split(context) if part and part.strip()] or [""]
            said.append(
                # fsum: words of a set come in another order in every process, and plain sums would differ.
                max(sentences, key=lambda one: math.fsum(rarity.get(w, unseen) for w in asked & _words(one)))
            )
        each = [answer_score(a, gold, rules=rules) for a, gold in zip(said, rows["answers"], strict=True)]
        scores[split] = {
            "answer_f1": math.fsum(one.f1 for one in each) / max(len(each), 1),
            "exact_match": math.fsum(one.exact_match for one in each) / max(len(each), 1),
        }
        parts.append(
            pa.table(
                {
                    "split": pa.array([split] * len(each), pa.string()),
                    "id": pa.array(rows["id"], pa.string()),
                    "predicted": pa.array(said, pa.string()),
                    "exact_match": pa.array([one.exact_match for one in each], pa.float32()),
                    "f1": pa.array([one.f1 for one in each], pa.float32()),
                }
            )
        )
    return Baseline(Floor(NAME, scores), pa.concat_tables(parts))


def _words(text: str) -> frozenset[str]:
    return frozenset(word.text.lower() for word in words_of(text))
