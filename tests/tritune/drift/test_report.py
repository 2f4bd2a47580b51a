"""Which rows are compared, what counts as drift, and what is said of it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from streams import LABELS, WORDS, data, rows

from tritune.drift.report import compare, drift_report, report_from_json


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(5)


def drifted(report) -> set[str]:
    return {check.kind for check in report.checks if check.drift}


def embed(texts) -> np.ndarray:
    return np.array([[len(text), text.count("word1")] for text in texts], dtype=np.float64)


def test_more_of_the_same_is_no_drift_and_calls_for_training(draw):
    old, new = rows(draw, 200), rows(draw, 60)
    report = drift_report(data(old), data([*old, *new]), embed=embed)
    assert (report.added, report.removed, report.drift, report.calls_for_training) == (60, 0, False, True)
    kinds = [check.kind for check in report.checks]
    assert kinds == ["labels", "classes", "lengths", "vocabulary", "embeddings"]
    assert report.sentence == "60 new rows, no drift"


def test_other_shares_of_the_labels_are_drift_in_labels_alone(draw):
    old, new = rows(draw, 300), rows(draw, 100, shares=(0.1, 0.3, 0.6))
    report = drift_report(data(old), data([*old, *new]), embed=None)
    assert drifted(report) == {"labels"}
    assert report.sentence.startswith("100 new rows, drift in labels (0.")
    assert report.sentence.endswith(" total variation)")


def test_other_words_are_drift_in_the_vocabulary(draw):
    old, new = rows(draw, 300, words=WORDS[:40]), rows(draw, 100, words=WORDS[20:])
    assert "vocabulary" in drifted(drift_report(data(old), data([*old, *new]), embed=None))


def test_the_same_rows_are_nothing_new(draw):
    old = rows(draw, 100)
    report = drift_report(data(old), data(old[::-1]), embed=None)
    assert (report.added, report.removed, report.calls_for_training) == (0, 0, False)
    assert report.sentence == "no new row"


def test_rows_taken_away_at_random_are_no_reason_and_a_class_taken_away_is(draw):
    old = rows(draw, 400)
    report = drift_report(data(old), data(old[:300]), embed=None)
    assert (report.added, report.removed, report.calls_for_training) == (0, 100, False)
    assert report.sentence == "no new row, 100 gone, no drift"
    fewer = [one for number, one in enumerate(old) if one.labels != ("a",) or number % 2]
    report = drift_report(data(old), data(fewer), embed=None)
    assert report.added == 0
    assert "labels" in drifted(report)
    assert report.calls_for_training


def test_a_new_class_is_told_and_calls_for_a_training_whatever_its_share(draw):
    old = rows(draw, 100)
    report = drift_report(data(old), data(old, labels=[*LABELS, "d"]), embed=None)
    assert report.calls_for_training
    assert not report.drift
    assert report.sentence == "no new row, new classes: d"


@pytest.mark.parametrize(("count", "drifts"), [(1, False), (6, True)])
def test_new_classes_are_drift_where_they_are_more_than_chance(draw, count, drifts):
    old, new = rows(draw, 100), rows(draw, 50)
    new = [*(replace(one, labels=("d",)) for one in new[:count]), *new[count:]]
    report = drift_report(data(old), data([*old, *new], labels=[*LABELS, "d"]), embed=None)
    assert list(report.new_labels) == ["d"]
    assert ("classes" in drifted(report)) == drifts
    (check,) = (one for one in report.checks if one.kind == "classes")
    assert check.size == count / 50


def test_a_corrected_label_is_a_new_row(draw):
    old = rows(draw, 100)
    corrected = [old[0].__class__(old[0].text, ("c" if old[0].labels != ("c",) else "a",)), *old[1:]]
    report = drift_report(data(old), data(corrected), embed=None)
    assert (report.added, report.removed, report.checks, report.calls_for_training) == (1, 1, [], True)


def test_other_answers_to_the_same_texts_call_for_training_and_are_not_tested(draw):
    old = [replace(one, content="old") for one in rows(draw, 100)]
    new = [*(replace(one, content="new") for one in old[:30]), *old[30:]]
    report = drift_report(data(old), data(new), embed=None)
    assert (report.added, report.removed, report.corrected, report.checks) == (0, 0, 30, [])
    assert report.calls_for_training
    assert report.sentence == "no new row, 30 known with other answers, tags or roles, or in another split"
    assert report_from_json(report.as_json()) == report


def test_new_rows_are_tested_without_those_that_only_moved(draw):
    old = [replace(one, content="train") for one in rows(draw, 300)]
    moved = [replace(one, content="test") for one in old]
    new = rows(draw, 100, shares=(0.1, 0.3, 0.6))
    report = drift_report(data(old), data([*moved, *new]), embed=None)
    assert (report.added, report.removed, report.corrected) == (100, 0, 300)
    assert report.checks == drift_report(data(old), data([*old, *new]), embed=None).checks


@pytest.mark.slow  # a minute; by default test_multiple_tests.py counts what Holm's procedure does
def test_of_two_hundred_families_without_drift_about_one_in_twenty_gives_an_alarm():
    draw = np.random.default_rng(11)
    alarms = 0
    for _ in range(200):
        checks = compare(rows(draw, 40), rows(draw, 40), embed=embed)
        alarms += any(check.drift for check in checks)
    assert alarms <= 10 + 3 * np.sqrt(200 * 0.05 * 0.95)


def test_a_report_survives_json(draw):
    old = rows(draw, 100)
    report = drift_report(data(old), data([*old, *rows(draw, 40)]), embed=None)
    assert report_from_json(report.as_json()) == report
