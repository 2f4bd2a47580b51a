import math

import numpy as np
import pytest

from tritune.training.warning_signs import guessing_loss, majority_share, training_warnings

LABELS = np.array([0, 0, 0, 1])


def warnings(*epochs: tuple[float, float], **options) -> list[str]:
    history = [{"train_loss": loss, "validation_accuracy": accuracy} for loss, accuracy in epochs]
    return training_warnings(history, training_labels=LABELS, validation_labels=LABELS, classes=2, **options)


def test_a_model_that_learns_gives_no_warning():
    assert warnings((0.5, 0.8), (0.3, 0.9)) == []


def test_a_loss_that_stays_at_guessing_is_named():
    (message,) = warnings((0.6, 0.8), (0.56, 0.8))
    assert message == (
        "the training loss ended at 0.560, no better than guessing by how frequent each class is (0.562): "
        "try a learning rate 10 times higher or lower, more epochs, and look whether the labels fit the texts"
    )


def test_a_loss_that_does_not_move_is_named():
    (message,) = warnings((0.400, 0.8), (0.399, 0.8))
    assert message.startswith("the training loss did not fall (0.400 to 0.399): ")


def test_a_score_at_the_majority_class_is_named():
    (message,) = warnings((0.5, 0.75), (0.4, 0.7))
    assert message.startswith(
        "the best validation accuracy (0.750) is no better than always answering the most "
        "frequent class (0.750)"
    )


def test_one_epoch_can_be_judged_too():
    assert len(warnings((0.7, 0.75))) == 2


def test_guessing_costs_the_entropy_of_the_labels():
    assert guessing_loss(LABELS, classes=2) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert guessing_loss(np.array([0, 1]), classes=2) == pytest.approx(math.log(2))
    assert guessing_loss(np.array([0, 0]), classes=2) == 0
    smoothed = guessing_loss(np.array([0, 0]), classes=2, label_smoothing=0.2)
    assert smoothed == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))


def test_majority_share():
    assert majority_share(LABELS, classes=5) == 0.75
