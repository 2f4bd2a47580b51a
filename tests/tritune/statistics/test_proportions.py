import pytest

from tritune.statistics.proportions import difference_interval, share_error, share_interval


def test_wilsons_interval_is_that_of_newcombes_first_table():
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    for right, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
    ):
        found = share_interval(right / count, count)
        assert found == pytest.approx((low, high), abs=5e-5)


def test_the_difference_is_that_of_newcombes_second_table():
    """Newcombe 1998, table II, method 10: (a) 56/70 - 48/80, (h) 10/10 - 0/10."""
    assert difference_interval(56 / 70, 70, 48 / 80, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    low, high = difference_interval(1.0, 10, 0.0, 10)
    assert (low, high) == pytest.approx((0.6075, 1.0), abs=5e-5)


def test_turned_round_it_is_mirrored():
    low, high = difference_interval(0.9, 40, 0.7, 90)
    assert difference_interval(0.7, 90, 0.9, 40) == pytest.approx((-high, -low))


def test_the_error_of_a_share():
    assert share_error(0.5, 100) == pytest.approx(0.05)
    assert share_error(1.0, 100) == 0.0
