"""Automatic learning rates: numbers by hand, laws, and the evidence that they rest on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.plan.default_rate import HIGHEST, LOWEST, default_rate, top_rate

widths = st.integers(1, 8192)
depths = st.integers(1, 100)


def rate(width: int, layers: int, learning: int | None = None, *, new_head: bool = True) -> float:
    return default_rate(
        width=width,
        layers=layers,
        layers_learning=layers if learning is None else learning,
        new_head=new_head,
    )


@pytest.mark.parametrize(
    ("width", "layers", "expected"), [(384, 6, 4e-4), (768, 12, 5e-5), (1024, 24, 2.1e-5)]
)
def test_full_fine_tuning_by_width(width, layers, expected):
    """5e-5 x (768 / width)^3: 8 times more at half the width, (3/4)^3 at 1024."""
    assert rate(width, layers) == expected


@pytest.mark.parametrize(("width", "new_head", "expected"), [(768, True, 5e-4), (768, False, 2.5e-4)])
def test_few_numbers_of_each_layer_learn_at_ten_times_the_rate(width, new_head, expected):
    found = default_rate(width=width, layers=12, layers_learning=12, new_head=new_head, few_of_each=True)
    assert found == expected


@pytest.mark.parametrize(
    ("width", "layers", "learning", "expected"),
    [
        (384, 6, 2, 1.2e-3),  # 4e-4 x (7 / 3)^1.25
        (384, 6, 0, 4.6e-3),  # 4e-4 x 7^1.25
        (768, 12, 4, 1.7e-4),  # 5e-5 x (13 / 5)^1.25 = 1.65e-4
        (768, 12, 0, 1.2e-3),  # 5e-5 x 13^1.25
        (1024, 24, 8, 7.6e-5),  # 2.1e-5 x (25 / 9)^1.25
        (576, 30, 4, 5.9e-4),  # 1.19e-4 x 5: (31 / 5)^1.25 = 9.8 is more than layers bear
    ],
)
def test_partial_fine_tuning_by_hand(width, layers, learning, expected):
    assert rate(width, layers, learning) == pytest.approx(expected, rel=0.02)


def test_a_head_that_is_not_new_gets_half():
    assert rate(768, 12, new_head=False) == 2.5e-5
    assert rate(384, 6, 2, new_head=False) == 2e-4
    assert rate(576, 30, 4, new_head=False) == rate(576, 30, new_head=False) == 5.9e-5


def test_a_head_that_answers_for_every_token_gets_half():
    full = {"width": 384, "layers": 6, "layers_learning": 6, "new_head": True}
    assert default_rate(**full, every_token=True) == pytest.approx(default_rate(**full) / 2)


def test_a_head_on_a_frozen_body_gets_ten_to_a_hundred_times_the_rate():
    for width, layers in ((384, 6), (768, 6), (768, 12), (1024, 24), (576, 30)):
        assert 10 <= rate(width, layers, 0) / rate(width, layers) <= 100


def test_learning_layers_never_get_more_than_five_times_the_rate_of_full_fine_tuning():
    for layers in (6, 12, 24, 30, 80):
        assert rate(768, layers, 1) <= 5 * rate(768, layers)


@given(narrow=widths, wide=widths, layers=depths, learning=st.integers(0, 100), new_head=st.booleans())
def test_a_wider_model_never_gets_more(narrow, wide, layers, learning, new_head):
    narrow, wide, learning = *sorted((narrow, wide)), min(learning, layers)
    assert rate(wide, layers, learning, new_head=new_head) <= rate(
        narrow, layers, learning, new_head=new_head
    )


@given(width=widths, layers=depths, few=st.integers(0, 100), many=st.integers(0, 100), new_head=st.booleans())
def test_fewer_layers_learning_never_get_less(width, layers, few, many, new_head):
    few, many = sorted((min(few, layers), min(many, layers)))
    assert rate(width, layers, few, new_head=new_head) >= rate(width, layers, many, new_head=new_head)


@given(width=widths, layers=depths, learning=st.integers(0, 100))
def test_a_new_head_never_gets_less_and_all_stay_in_range(width, layers, learning):
    learning = min(learning, layers)
    new, old = rate(width, layers, learning), rate(width, layers, learning, new_head=False)
    assert LOWEST <= old <= new <= HIGHEST


def test_without_decay_the_top_layer_gets_the_rate_itself():
    assert top_rate(5e-5, decay=1.0, layers=12) == 5e-5


def test_the_layers_geometric_mean_is_the_rate():
    decay, layers = 0.9, 5
    top = top_rate(1e-4, decay=decay, layers=layers)
    product = 1.0
    for exponent in range(layers):
        product *= top * decay**exponent
    assert product ** (1 / layers) == pytest.approx(1e-4, rel=0.03)


def test_a_strong_decay_in_a_deep_model_gives_at_most_three_times_the_rate():
    assert top_rate(2e-5, decay=0.5, layers=24) == 6e-5


@given(decay=st.floats(0.01, 1), layers=depths)
def test_the_top_rate_is_between_one_and_three_times_the_rate(decay, layers):
    assert 1e-4 <= top_rate(1e-4, decay=decay, layers=layers) <= 3e-4
