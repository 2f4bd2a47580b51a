import pytest

from tritune.report import LONGEST_TEXT, compute, count, percent, score, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.234e18, "1.23\u202fEFLOP"),
        (9.18e12, "9.18\u202fTFLOP"),
        (123e9, "123\u202fGFLOP"),
        (1e6, "1.00\u202fMFLOP"),
        (12, "12\u202fFLOP"),
    ],
)
def test_compute_has_three_digits_and_a_unit(value, text):
    assert compute(value) == text


def test_numbers_as_people_read_them():
    assert count(22713216) == "22\u202f713\u202f216"
    assert score(-0.01234) == "\u22120.0123"
    assert percent(0.176) == "17.6\u202f%"


def test_a_long_text_is_shortened_and_control_characters_are_replaced():
    assert shown("a" * LONGEST_TEXT) == "a" * LONGEST_TEXT
    assert shown("a" * (LONGEST_TEXT + 1)) == "a" * LONGEST_TEXT + "…"
    assert shown("a\x00b\nc") == "a\ufffdb\nc"
