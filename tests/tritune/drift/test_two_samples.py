"""Permutation tests: exact by counting, deaf to luck, awake to a shift."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from tritune.drift.two_samples import counts_p, lengths_p, mean_shift_p, unseen_p, vectors_p


def test_a_small_case_agrees_with_counting_all_ways_to_part_it():
    values = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    means = [
        abs(values[list(chosen)].mean() - np.delete(values, chosen).mean())
        for chosen in itertools.combinations(range(6), 3)
    ]
    exact = np.mean([mean >= means[0] - 1e-9 for mean in means])
    p = mean_shift_p(values[:3], values[3:], weights=np.ones(1), seed=1)
    assert p == pytest.approx(exact, abs=0.03)


def test_sparse_and_dense_are_one():
    draw = np.random.default_rng(0)
    first, second = draw.integers(0, 2, (30, 8)), draw.integers(0, 2, (20, 8))
    dense = counts_p(first.astype(float), second.astype(float), seed=3)
    assert counts_p(sparse.csr_matrix(first), sparse.csr_matrix(second), seed=3) == dense


def test_of_samples_from_one_source_one_in_twenty_seems_to_differ():
    draw = np.random.default_rng(2)
    hits = sum(
        vectors_p(draw.normal(size=(30, 4)), draw.normal(size=(30, 4)), seed=seed) <= 0.05
        for seed in range(60)
    )
    assert hits <= 3 + 3 * np.sqrt(60 * 0.05 * 0.95)


def test_a_shift_is_seen():
    draw = np.random.default_rng(3)
    assert vectors_p(draw.normal(size=(100, 4)), draw.normal(0.6, size=(100, 4)), seed=0) == 0.001
    distance, p = lengths_p(np.arange(100), np.arange(50, 150))
    assert distance == pytest.approx(0.5)
    assert p < 0.001


def test_without_columns_nothing_differs():
    assert counts_p(np.zeros((3, 0)), np.zeros((4, 0)), seed=0) == 1.0


def test_an_empty_sample_is_refused():
    with pytest.raises(ValueError, match="can't be compared"):
        mean_shift_p(np.zeros((0, 2)), np.zeros((3, 2)), weights=np.ones(2), seed=0)


def test_what_the_second_sample_alone_has_is_told_from_chance():
    def counts(names: str) -> np.ndarray:
        return np.array([[name == one for one in "abc"] for name in names], dtype=np.float32)

    first = counts("ab" * 30)
    assert unseen_p(first, counts("ab" * 15), seed=1) == 1.0
    # One row in three is in the second sample, and so is a name that occurs once, by chance.
    assert unseen_p(first, counts("ab" * 14 + "ac"), seed=1) == pytest.approx(1 / 3, abs=0.05)
    assert unseen_p(first, counts("ab" * 10 + "c" * 10), seed=1) < 0.01
