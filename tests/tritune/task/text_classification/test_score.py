import math

import numpy as np
import pytest

from tritune.task.text_classification.score import guessing_loss, majority_share

LABELS = np.array([0, 0, 0, 1])


def test_guessing_costs_the_entropy_of_the_labels():
    assert guessing_loss(LABELS, classes=2) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert guessing_loss(np.array([0, 1]), classes=2) == pytest.approx(math.log(2))
    assert guessing_loss(np.array([0, 0]), classes=2) == 0
    smoothed = guessing_loss(np.array([0, 0]), classes=2, label_smoothing=0.2)
    assert smoothed == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))


def test_majority_share():
    assert majority_share(LABELS, classes=5) == 0.75
