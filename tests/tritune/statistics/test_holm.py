import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.statistics.holm import holm


def test_by_hand():
    # 0.01 * 4, 0.02 * 3, 0.03 * 2 = 0.06 (not below the one before), 0.04 * 1 raised to 0.06
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])


def test_one_test_needs_no_adjustment():
    assert holm([0.03]) == [0.03]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_adjusted_values_keep_the_order_and_never_fall(p_values):
    adjusted = holm(p_values)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))
    assert all(a <= 1 for a in adjusted)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)
