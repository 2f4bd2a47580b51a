"""What a model scores that has learnt nothing but how frequent each class is: the floor of every metric.

It gives every text the same probabilities, the training frequencies, and so always the most frequent class.
"""

import math
from collections.abc import Sequence

from tritune.metrics.catalogue import SMALLEST_PROBABILITY


def majority_class(training_rows: Sequence[int]) -> int:
    """Return the id of the class with the most training rows, the lowest id in a tie."""
    return max(range(len(training_rows)), key=lambda index: (training_rows[index], -index))


def majority_floor(training_rows: Sequence[int], split_rows: Sequence[int]) -> dict[str, float]:
    """Return every metric of `tritune.settings.train.Metric` for the split, with the ranges given there.

    Args:
        training_rows: [classes] training rows of each class; their sum is above 0.
        split_rows: [classes] the same of the split that is scored; their sum is above 0.
    """
    rows, training = sum(split_rows), sum(training_rows)
    frequencies = [max(count / training, SMALLEST_PROBABILITY) for count in training_rows]
    majority = majority_class(training_rows)
    accuracy = split_rows[majority] / rows
    # Precision of the majority class is the accuracy, its recall 1; every other F1 is 0.
    f1 = 2 * accuracy / (1 + accuracy)
    present = sum(count > 0 for count in split_rows)
    logs = (count * math.log(share) for count, share in zip(split_rows, frequencies, strict=True))
    return {
        "accuracy": accuracy,
        "macro_f1": f1 / present,
        "weighted_f1": f1 * accuracy,
        "matthews_correlation": 0.0,
        "negative_log_likelihood": -math.fsum(logs) / rows,
        "expected_calibration_error": abs(frequencies[majority] - accuracy),
    }
