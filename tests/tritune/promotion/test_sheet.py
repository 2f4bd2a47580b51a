"""What each task's predictions become: one score a row, and right or wrong by class."""

import numpy as np
import pyarrow as pa
import pytest

from tritune.metrics.calibration import expected_calibration_error
from tritune.promotion.paired_tests import non_inferiority_p
from tritune.promotion.sheet import answer_sheet


def test_a_classifier_is_right_or_wrong_on_the_test_rows_alone():
    table = pa.table(
        {
            "split": ["validation", "test", "test", "test"],
            "id": ["v", "a", "b", "c"],
            "label": pa.array([0, 1, 1, 0], pa.int32()),
            "predicted": pa.array([1, 1, 0, 0], pa.int32()),
            "probabilities": [[0.1, 0.9], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]],
        }
    )
    sheet = answer_sheet(table, task="text_classification", labels=["no", "yes"])
    assert sheet.rows == ["a", "b", "c"]
    assert sheet.scores.tolist() == [1, 0, 1]
    assert {name: right.tolist() for name, right in sheet.classes.items()} == {"no": [1], "yes": [1, 0]}
    expected = expected_calibration_error(np.array([1, 1, 0]), np.array([[0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]))
    assert sheet.calibration_error == pytest.approx(expected)


def test_a_row_of_several_labels_has_the_f1_of_its_set():
    ids = pa.list_(pa.int32())
    table = pa.table(
        {
            "split": ["test"] * 3,
            "id": ["a", "b", "c"],
            "label": pa.array([[0, 1], [], [2]], ids),
            "predicted": pa.array([[1], [], [0, 1, 2]], ids),
            "probabilities": [[0.1, 0.9, 0.1]] * 3,
        }
    )
    sheet = answer_sheet(table, task="text_classification", labels=["x", "y", "z"])
    assert sheet.scores.tolist() == pytest.approx([2 / 3, 1.0, 0.5])
    assert {name: right.tolist() for name, right in sheet.classes.items()} == {"x": [0], "y": [1], "z": [1]}
    assert sheet.calibration_error is None


def test_entities_count_whole_and_by_type():
    table = pa.table(
        {
            "split": ["test", "test"],
            "id": ["a", "b"],
            "tags": [["B-PER", "I-PER", "O", "B-LOC"], ["O"]],
            "predicted": [["B-PER", "O", "O", "B-LOC"], ["O"]],
        }
    )
    sheet = answer_sheet(table, task="named_entity_recognition", labels=[])
    assert sheet.scores.tolist() == [0.5, 1.0]
    assert {name: right.tolist() for name, right in sheet.classes.items()} == {"LOC": [1], "PER": [0]}


def test_questions_with_and_without_an_answer_are_told_apart():
    table = pa.table(
        {
            "split": ["test", "test"],
            "id": ["a", "b"],
            "answers": [["Rome"], []],
            "f1": pa.array([0.5, 1.0], pa.float32()),
            "exact_match": pa.array([0.0, 1.0], pa.float32()),
        }
    )
    sheet = answer_sheet(table, task="question_answering", labels=[])
    assert sheet.scores.tolist() == [0.5, 1.0]
    assert {name: right.tolist() for name, right in sheet.classes.items()} == {
        "with an answer": [0],
        "without an answer": [1],
    }


def test_a_dialogue_is_one_row_with_the_mean_over_its_tokens_and_a_lower_loss_is_better():
    table = pa.table(
        {
            "split": ["test"] * 3,
            "id": ["a", "a", "b"],
            "turn": [1, 3, 1],
            "tokens": [1, 3, 5],
            "negative_log_likelihood": [2.5, 0.5, 2.0],
        }
    )
    sheet = answer_sheet(table, task="dialogue", labels=[])
    assert (list(sheet.rows), sheet.scores.tolist()) == (["a/1,3", "b/1"], [-1.0, -2.0])


def test_more_turns_of_the_same_dialogues_are_no_more_evidence():
    def scores(seed: int, turns: int) -> np.ndarray:
        losses = np.random.default_rng(seed).normal(2.0, 0.1, 30)
        table = pa.table(
            {
                "split": ["test"] * (30 * turns),
                "id": [str(row) for row in range(30) for _ in range(turns)],
                "turn": list(range(turns)) * 30,
                "tokens": [7] * (30 * turns),
                "negative_log_likelihood": np.repeat(losses, turns),
            }
        )
        return answer_sheet(table, task="dialogue", labels=[]).scores

    once, often = (non_inferiority_p(scores(0, n), scores(1, n), margin=0.01) for n in (1, 8))
    assert often == pytest.approx(once)
