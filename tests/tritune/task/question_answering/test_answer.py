"""New questions to a tiny random encoder: what holds whatever it answers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tritune.task.question_answering.answer import Answerer

LONG = "the rose is near the old tree with a new bag please " * 4
GIVEN = [
    {"question": "where is the rose", "context": LONG},
    {"question": "where", "context": "a bag"},
    {"question": "the soil " * 40, "context": "bread and salt"},
]
NAMES = {"answer", "start", "end", "score", "no_answer"}


@pytest.fixture
def folder(pointing_folder: Callable[[], Path]) -> Path:
    return pointing_folder()


def ask(folder: Path, *, threshold: float | None = None, everything: bool = False, batch_size: int = 8):
    if threshold is not None:
        (folder / "decided.json").write_text(json.dumps({"no_answer_threshold": threshold}))
    answerer = Answerer(folder, device=torch.device("cpu"))
    return answerer.answer(GIVEN, batch_size=batch_size, ids=["1", "2", "3"], everything=everything)


def test_without_a_threshold_every_question_gets_a_part_of_its_context(folder):
    for told, given in zip(ask(folder), GIVEN, strict=True):
        assert set(told) == NAMES
        assert told["answer"] == given["context"][told["start"] : told["end"]] != ""
        assert not told["no_answer"]
        assert 0 < told["score"] <= 1


def test_the_threshold_decides_between_an_answer_and_none(folder):
    for told in ask(folder, threshold=-1e6):
        assert (told["answer"], told["start"], told["end"], told["no_answer"]) == (None, None, None, True)
    assert not any(told["no_answer"] for told in ask(folder, threshold=1e6))


def test_the_batch_size_changes_nothing(folder):
    places = [
        [(told["answer"], told["start"]) for told in ask(folder, batch_size=size)] for size in (1, 2, 8)
    ]
    assert places[0] == places[1] == places[2]


def test_all_candidates_come_best_first_and_their_scores_sum_to_one_where_few(folder):
    told = ask(folder, threshold=0.0, everything=True)[1]
    scores = [one["score"] for one in told["candidates"]]
    assert scores == sorted(scores, reverse=True)
    # Two words have three spans; with "no answer" four candidates.
    assert len(scores) == 4
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    assert sum(one["answer"] is None for one in told["candidates"]) == 1
