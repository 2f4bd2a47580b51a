"""The arithmetic of the comparison of two ways to train, and what its page says."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.paired_scores import QUESTIONS, conditions_of, page

CONDITIONS = {
    "question": "precision",
    "cases": {"full": {"title": "full", "epochs": 3}},
    "rows": 300,
    "data": "texts",
    "machine": "a processor",
    "versions": {"torch": "2"},
}
FP32, BF16 = [0.50, 0.52, 0.51], [0.51, 0.50, 0.53]


def runs_of(fp32, bf16):
    return [
        {"case": "full", "seed": seed, "by": precision, "accuracy": value, "macro_f1": value / 2}
        for seed, pair in enumerate(zip(fp32, bf16, strict=True))
        for precision, value in zip(("fp32", "bf16"), pair, strict=True)
    ]


@pytest.fixture
def rows():
    return [line for line in page(runs_of(FP32, BF16), CONDITIONS).splitlines() if line.startswith("| full")]


def test_the_interval_is_that_of_paired_differences(rows):
    expected = stats.ttest_rel(BF16, FP32).confidence_interval(0.95)
    assert rows[0].endswith(
        f"| {np.mean(BF16) - np.mean(FP32):+.4f} | {expected[0]:+.4f} to {expected[1]:+.4f} |"
    )


def test_each_metric_has_both_means(rows):
    assert rows[0].startswith("| full, 3 epochs | test accuracy | 3 | 0.5100 | 0.5133 |")
    assert rows[1].startswith("| full, 3 epochs | test macro F1 | 3 | 0.2550 | 0.2567 |")


def test_of_one_seed_nothing_is_claimed():
    assert page(runs_of(FP32[:1], BF16[:1]), CONDITIONS).splitlines()[-1].endswith("| unknown |")


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_seed_counts_for_both(question):
    first, second = QUESTIONS[question].contenders
    assert (first.name, first.precision) != (second.name, second.precision)
    assert first.title != second.title


def test_what_a_question_compares_is_among_its_conditions():
    found = conditions_of("precision", data=None)
    assert found["precisions"] == ["fp32", "bf16"]
    assert list(found["cases"]) == list(QUESTIONS["precision"].cases)


def test_other_data_are_other_conditions():
    assert conditions_of("trainer", data="a/b.csv")["data"] == "b.csv"
