import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.outputs import Outputs
from tritune.statistics.resample import plain_score
from tritune.task.contract import Split
from tritune.task.named_entity_recognition.parts import parts
from tritune.task.named_entity_recognition.rows import SCHEMA
from tritune.task.named_entity_recognition.score import evaluate, guess, scorer
from tritune.tokens import IGNORED, TokensInfo, read_tokens, token_schema
from tritune.training.train_slice import write_slice

LABELS = ["O", "B-x", "I-x"]
INFO = TokensInfo(
    task="named_entity_recognition",
    objective="token_labels",
    inputs=["text"],
    answering={},
    labels=LABELS,
    pad_token_id=0,
    max_length=8,
    examples={},
    rows={},
    tokens={},
)


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Two texts, the first in two windows; its third word has no token, its fourth a type not learnt."""
    pq.write_table(
        pa.Table.from_pylist(
            [
                {
                    "id": "a",
                    "tokens": list("abcde"),
                    "tags": ["B-x", "I-x", "B-x", "B-rare", "O"],
                },
                {"id": "b", "tokens": ["f"], "tags": ["B-x"]},
            ],
            schema=SCHEMA,
        ),
        tmp_path / "validation.parquet",
    )
    schema = token_schema(listed_labels=True, own={"words": pa.list_(pa.int32())})
    rows = [
        {"id": "a", "input_ids": [9, 9, 9], "labels": [1, IGNORED, 2], "words": [0, -1, 1]},
        {"id": "a", "input_ids": [9, 9, 9], "labels": [IGNORED, IGNORED, 0], "words": [-1, 3, 4]},
        {"id": "b", "input_ids": [9], "labels": [1], "words": [0]},
    ]
    with pa.OSFile(str(tmp_path / "validation.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return Split("validation", tmp_path / "validation.arrow", tmp_path / "validation.parquet")


def outputs(*tags: int) -> Outputs:
    values = np.log(np.array([[2.0 if tag == one else 1 for one in range(3)] for tag in tags], np.float32))
    return Outputs(values, np.array([0, 3, 6, 7]))


def test_a_slice_of_the_texts_is_scored_by_itself(split: Split, tmp_path: Path) -> None:
    """Only the second text, whose one entity is found."""
    cut = write_slice(split, np.array([2]), tmp_path / "cut")
    values = outputs(1, 0, 2, 0, 0, 0, 1).rows_at(np.array([2]))
    assert scorer(cut, INFO)(values) == {
        "entity_precision": 1.0,
        "entity_recall": 1.0,
        "entity_f1": 1.0,
        "accuracy": 1.0,
    }


def test_every_entity_of_the_file_counts_even_where_no_token_stands_for_it(split: Split) -> None:
    # All that can be right is: of four entities, two are found, and nothing else.
    assert scorer(split, INFO)(outputs(1, 0, 2, 0, 0, 0, 1)) == {
        "entity_precision": 1.0,
        "entity_recall": 0.5,
        "entity_f1": pytest.approx(2 / 3),
        "accuracy": 4 / 6,
    }


def test_words_are_read_where_they_are_answered_only(split: Split) -> None:
    # Other tokens say B-x too; they are asked for nothing.
    assert scorer(split, INFO)(outputs(1, 1, 2, 1, 0, 0, 1))["entity_precision"] == 1.0


class Run:
    info = INFO

    def __init__(self, given: Outputs) -> None:
        self._given = given

    def outputs(self, split: Split) -> Outputs:  # noqa: ARG002
        return self._given

    def mean_loss(self, split: Split) -> float:  # noqa: ARG002
        return 0.25


def test_evaluate_keeps_every_word_and_every_entity(split: Split) -> None:
    run: Any = Run(outputs(1, 0, 2, 0, 2, 0, 0))
    done = evaluate(run, [split])
    assert done.scores["validation"]["negative_log_likelihood"] == 0.25
    first, second = done.predictions.to_pylist()
    assert first["tags"] == ["B-x", "I-x", "B-x", "B-rare", "O"]
    assert first["predicted"] == ["B-x", "I-x", "O", "I-x", "O"]
    assert first["probabilities"] == pytest.approx([0.5, 0.5, 0, 0.5, 0.5])
    assert first["entities"] == [
        {"type": "x", "start": 0, "end": 2, "probability": pytest.approx(0.5)},
        {"type": "x", "start": 3, "end": 4, "probability": pytest.approx(0.5)},
    ]
    assert (second["id"], second["entities"]) == ("b", [])
    pq.write_table(done.predictions, split.gold.with_name("predictions.parquet"))
    for metric in ("entity_f1", "entity_precision", "entity_recall", "accuracy"):
        of = parts(split.gold.parent, metric, split="validation", labels=3, objective="token_labels")
        assert plain_score(of) == pytest.approx(done.scores["validation"][metric])
        assert of.ids == ["a", "b"]
    columns, rows = done.tables["per_type.csv"]
    assert [dict(zip(columns, row, strict=True)) for row in rows] == [
        {"split": "validation", "type": "rare", "entities": 1, "predicted": 0, "correct": 0}
        | {"precision": 0.0, "recall": 0.0, "f1": 0.0},
        {"split": "validation", "type": "x", "entities": 3, "predicted": 2, "correct": 1}
        | {"precision": 0.5, "recall": 1 / 3, "f1": 0.4},
    ]


def test_guessing_is_the_entropy_of_the_tags_and_finds_nothing(split: Split) -> None:
    table = read_tokens(split.tokens)  # labels 1, 2, 0, 1
    found = guess(table, table, INFO, label_smoothing=0.0)
    assert found is not None
    assert found.loss == pytest.approx(-0.5 * math.log(0.5) - 2 * 0.25 * math.log(0.25))
    assert (found.metric, found.score, found.score_words) == ("entity_f1", 0.0, "finding no entity at all")
