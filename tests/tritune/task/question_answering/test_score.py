"""Evaluation of made-up outputs, whose scores are known beforehand; and of a real tiny model that writes."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.errors import InputError
from tritune.metrics.answers import AnswerScore
from tritune.metrics.catalogue import metrics_of
from tritune.outputs import Outputs
from tritune.question_answering.gold import read_gold
from tritune.statistics.resample import plain_score
from tritune.task.contract import Split
from tritune.task.question_answering.parts import parts
from tritune.task.question_answering.rows import SCHEMA
from tritune.task.question_answering.score import evaluate, guess, scorer
from tritune.tokens import TokensInfo, token_schema
from tritune.training.train_slice import write_slice

INFO = TokensInfo(
    task="question_answering",
    objective="spans",
    inputs=["question", "context"],
    answering={"stride": 2},
    labels=[],
    pad_token_id=0,
    max_length=8,
    examples={},
    rows={},
    tokens={},
)
WORDS = "ada bob cyd dan"
"""Four words; a window is [no answer, question, word, word]: the first two words, then the last two."""


def split_of(folder: Path, name: str, answers: list[list[str]]) -> Split:
    """Two windows a question: places 0 and 1 are the no-answer place and the question, 2 and 3 words."""
    starts = [[WORDS.find(answer) for answer in golds] for golds in answers]
    rows = {
        "id": [f"{name}:{i}" for i in range(len(answers))],
        "question_id": [""] * len(answers),
        "question": ["who"] * len(answers),
        "context": [WORDS] * len(answers),
        "answers": answers,
        "starts": starts,
        "ends": [[s + 3 for s in one] for one in starts],
    }
    pq.write_table(pa.table(rows, schema=SCHEMA), folder / f"{name}.parquet")
    offsets = pa.list_(pa.int32())
    schema = token_schema(
        listed_labels=True, own={"starts": offsets, "ends": offsets, "no_answer": pa.int32()}
    )
    columns: dict[str, list] = {field: [] for field in schema.names}
    for row_id, places in zip(rows["id"], starts, strict=True):
        for first in (0, 8):
            where = (places[0] - first) // 4 + 2 if places and 0 <= places[0] - first < 8 else 0
            columns["id"].append(row_id)
            columns["input_ids"].append([1, 2, 3, 4])
            columns["labels"].append([where, where])
            columns["starts"].append([-1, -1, first, first + 4])
            columns["ends"].append([-1, -1, first + 3, first + 7])
            columns["no_answer"].append(0)
    table = pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)
    with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(table)
    return Split(name, folder / f"{name}.arrow", folder / f"{name}.parquet")


def outputs_of(*questions: tuple[int | None, float]) -> Outputs:
    """Each question: which of the four words the model takes (None: the first, faintly), and its null
    score."""
    values = []
    for word, null in questions:
        for window in (0, 1):
            logits = np.zeros((4, 2), dtype=np.float32)
            logits[0] = null / 2
            if word is not None and word // 2 == window:
                logits[2 + word % 2] = 2.0
            values.append(logits)
    return Outputs(np.concatenate(values), np.arange(0, 4 * len(values) + 1, 4, dtype=np.int64))


class Run:
    """Gives what it was told."""

    info = INFO

    def __init__(self, **outputs: Outputs) -> None:
        self._outputs = outputs

    def outputs(self, split: Split) -> Outputs:
        return self._outputs[split.name]

    def mean_loss(self, split: Split) -> float:
        return {"validation": 0.5, "test": 0.75}[split.name]


@pytest.fixture
def answered(tmp_path: Path):
    """Every question has an answer: three of four are right on validation, one of two on test."""
    validation = split_of(tmp_path, "validation", [["ada"], ["bob"], ["cyd"], ["dan"]])
    test = split_of(tmp_path, "test", [["ada"], ["bob", "bob cyd"]])
    run = Run(validation=outputs_of((0, 9), (1, 9), (2, 9), (0, 9)), test=outputs_of((3, 9), (1, 9)))
    return evaluate(run, [validation, test])


def test_without_unanswerable_questions_the_best_span_is_the_answer_however_sure_none_is(answered):
    assert answered.scores["validation"] == {
        "answer_f1": 0.75,
        "exact_match": 0.75,
        "negative_log_likelihood": 0.5,
    }
    assert answered.scores["test"]["answer_f1"] == 0.5
    assert answered.decided == {"no_answer_threshold": None}
    assert set(answered.scores["test"]) == set(metrics_of("question_answering", objective="spans"))


def test_predictions_have_a_row_per_question_with_its_span(answered):
    rows = answered.predictions.to_pylist()
    assert [row["id"] for row in rows] == [f"validation:{i}" for i in range(4)] + ["test:0", "test:1"]
    last = rows[-1]
    assert (last["split"], last["predicted"], last["start"], last["end"]) == ("test", "bob", 4, 7)
    assert last["score"] == 4.0
    assert 0.2 < last["probability"] < 1
    assert last["answers"] == ["bob", "bob cyd"]
    assert (last["exact_match"], last["f1"]) == (1.0, 1.0)


def test_scores_are_sums_over_questions(answered, tmp_path: Path):
    pq.write_table(answered.predictions, tmp_path / "predictions.parquet")
    for split in ("validation", "test"):
        for metric in ("answer_f1", "exact_match"):
            of = parts(tmp_path, metric, split=split, labels=0, objective="spans")
            assert plain_score(of) == pytest.approx(answered.scores[split][metric])
    assert parts(tmp_path, "negative_log_likelihood", split="test", labels=0, objective="spans") is None


def test_the_groups_are_a_table(answered):
    columns, rows = answered.tables["groups.csv"]
    assert columns == ("split", "by", "group", "questions", "exact_match", "f1")
    assert rows[0] == ("validation", "answer", "has an answer", 4, 0.75, 0.75)


@pytest.fixture
def unanswerable(tmp_path: Path) -> tuple[Split, Split, Run]:
    """The best span scores 4: a null score of 6 leads by 2, one of 8 by 4."""
    validation = split_of(tmp_path, "validation", [["ada"], ["bob"], [], []])
    test = split_of(tmp_path, "test", [["ada"], [], []])
    run = Run(validation=outputs_of((0, 3), (1, 6), (2, 8), (3, 9)), test=outputs_of((0, 6), (1, 6), (2, 8)))
    return validation, test, run


def test_the_threshold_is_set_on_validation_and_used_on_test(unanswerable):
    validation, test, run = unanswerable
    done = evaluate(run, [validation, test])
    # Answered up to a lead of 2, unanswered from one of 4.
    assert done.decided == {"no_answer_threshold": 3.0}
    assert done.scores["validation"]["answer_f1"] == 1.0
    rows = done.predictions.to_pylist()[4:]
    assert [row["predicted"] for row in rows] == ["ada", "bob", ""]
    assert [row["start"] for row in rows] == [0, 4, None]
    assert done.scores["test"]["answer_f1"] == pytest.approx(2 / 3)


def test_each_epoch_is_scored_as_at_the_end(unanswerable):
    validation, _, run = unanswerable
    score = scorer(validation, INFO)(run.outputs(validation))
    assert score["answer_f1"] == 1.0
    assert score["negative_log_likelihood"] > 0
    assert set(score) == set(metrics_of("question_answering", objective="spans"))


def test_a_context_without_tokens_is_a_question_without_answer_and_counts(tmp_path: Path):
    split = split_of(tmp_path, "validation", [["ada"], ["bob"]])
    gold = read_gold(split)
    assert gold.scores(["", "bob"]) == [AnswerScore(0, 0), AnswerScore(1, 1)]


def test_tokens_of_other_questions_are_refused(tmp_path: Path):
    split = split_of(tmp_path, "validation", [["ada"], ["bob"]])
    table = pq.read_table(split.gold)
    pq.write_table(table.slice(1), split.gold)
    with pytest.raises(InputError) as caught:
        read_gold(split)
    assert str(caught.value) == (
        f"{split.tokens} is not made of {split.gold}: their questions differ; run `dvc repro tokenize`"
    )


def test_what_is_decided_is_fit_for_json(unanswerable):
    validation, test, run = unanswerable
    assert json.loads(json.dumps(evaluate(run, [validation, test]).decided)) == {"no_answer_threshold": 3.0}


def test_nobody_can_tell_what_guessing_gives(tmp_path: Path):
    tokens = read_gold(split_of(tmp_path, "validation", [["ada"]])).tokens
    assert guess(tokens, tokens, INFO, label_smoothing=0.0) is None


def test_a_slice_of_the_questions_is_scored_with_all_their_windows(tmp_path: Path):
    """Of four questions the second and the fourth: one is answered right."""
    given = split_of(tmp_path, "train", [["ada"], ["bob"], ["cyd"], ["dan"]])
    cut = write_slice(given, np.array([2, 3, 6, 7]), tmp_path / "cut")
    found = scorer(cut, INFO)(outputs_of((1, 0), (0, 0)))
    assert (found["exact_match"], found["answer_f1"]) == (0.5, 0.5)
