import numpy as np
import pytest

from tritune.metrics.classification import classification_metrics
from tritune.metrics.floor import majority_class, majority_floor


@pytest.mark.parametrize(
    ("training", "split"), [([50, 30, 20], [4, 3, 3]), ([1, 1], [0, 5]), ([7, 2, 1], [9, 0, 1])]
)
def test_is_the_score_of_a_model_that_knows_only_the_frequencies(training, split):
    labels = np.repeat(np.arange(len(split)), split)
    frequencies = np.array(training) / sum(training)
    constant = np.tile(frequencies, (len(labels), 1))
    assert majority_floor(training, split) == pytest.approx(classification_metrics(labels, constant))


def test_the_first_class_wins_a_tie():
    assert majority_class([2, 3, 3]) == 1


def test_a_class_without_training_rows_costs_a_bounded_number_of_nats():
    assert majority_floor([3, 0], [1, 1])["negative_log_likelihood"] == pytest.approx(27.631 / 2, abs=1e-3)
