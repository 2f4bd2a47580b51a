from collections.abc import Sequence

import pytest

from tritune.explanation.deletion import RANDOM_ORDERS, deletion


def weighted(weights: Sequence[float]):
    """A model whose answer is as likely as the weights of the words that are left."""
    total = sum(weights)

    def probability(taken: Sequence[frozenset[int]]) -> list[float]:
        return [(total - sum(weights[word] for word in words)) / total for words in taken]

    return probability


def test_the_area_of_two_words_by_hand():
    # 1, then 1/4 without the first, then 0: trapezoids of (1 + 1/4) / 2 and (1/4 + 0) / 2, each half as wide.
    found = deletion(weighted([3, 1]), [3, 1])
    assert found.area == pytest.approx((1.25 / 2 + 0.25 / 2) / 2)


def test_the_true_order_has_the_least_area_and_its_reverse_the_most():
    weights = [8, 4, 2, 1, 0.5]
    best, worst = deletion(weighted(weights), weights), deletion(weighted(weights), [-w for w in weights])
    assert best.area == min([best.area, *best.random_areas])
    assert worst.area == max([worst.area, *worst.random_areas])
    assert best.beaten > worst.beaten == 0
    assert best.area < best.random_area < worst.area


def test_where_all_words_count_alike_no_order_is_better():
    found = deletion(weighted([1] * 7), [0.3, -1, 2, 0, 1, 5, 4])
    assert found.random_areas == pytest.approx([found.area] * RANDOM_ORDERS)
    assert found.area == pytest.approx(0.5)


def test_each_set_of_words_is_asked_for_once_and_the_chance_is_the_same_each_time():
    asked: list[frozenset[int]] = []

    def probability(taken):
        asked.extend(taken)
        return weighted([1, 2, 3, 4])(taken)

    first, again = (deletion(probability, [1, 2, 3, 4]) for _ in range(2))
    assert first == again
    assert len(asked) == 2 * len(set(asked))


def test_one_word_alone_has_one_order():
    found = deletion(weighted([1]), [1])
    assert found.area == 0.5
    assert found.beaten == 0
