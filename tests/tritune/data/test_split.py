from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tritune.data.facts import Rows, facts_of
from tritune.data.rows import RawFile, Row, text_key
from tritune.data.split import cut, part, position

FILE = RawFile("train.csv", "train.csv")
FRACTION = st.floats(0, 0.49)


def rows(texts: list[str]) -> Rows:
    given = (Row(FILE, i, i + 1, text, "a", text_key(text)) for i, text in enumerate(texts, start=1))
    return facts_of(given, FILE)


def by_text(texts: list[str], test: float, validation: float) -> dict[str, str]:
    parts = cut(rows(texts), test_fraction=test, validation_fraction=validation)
    return {texts[position]: split for split, found in parts.items() for position in found.positions}


@given(st.lists(st.text()), st.lists(st.text()), FRACTION, FRACTION)
def test_adding_rows_moves_no_row(old: list[str], new: list[str], test: float, validation: float) -> None:
    before = by_text(old, test, validation)
    after = by_text(new + old, test, validation)
    assert {text: after[text] for text in old} == before


@given(st.lists(st.sampled_from(["Hello you", "hello  YOU ", "x"])), FRACTION, FRACTION)
def test_texts_that_differ_in_case_and_space_stay_together(
    texts: list[str], test: float, validation: float
) -> None:
    found = by_text(texts, test, validation)
    assert len({split for text, split in found.items() if text != "x"}) <= 1


@given(st.lists(st.text()), FRACTION, FRACTION)
def test_every_row_is_in_exactly_one_split(texts: list[str], test: float, validation: float) -> None:
    parts = cut(rows(texts), test_fraction=test, validation_fraction=validation)
    assert sorted(one for found in parts.values() for one in found.positions) == list(range(len(texts)))


@given(st.lists(st.text(), max_size=20), FRACTION, FRACTION)
def test_many_rows_are_cut_as_each_would_be_alone(texts: list[str], test: float, validation: float) -> None:
    fractions = {"test_fraction": test, "validation_fraction": validation}
    for text, split in by_text(texts, test, validation).items():
        assert part(text_key(text), **fractions) == split


@given(st.text(), FRACTION, FRACTION, FRACTION)
def test_one_fraction_leaves_the_other_split_alone(
    text: str, test: float, validation: float, other: float
) -> None:
    key = text_key(text)
    whole = part(key, test_fraction=test, validation_fraction=validation)
    assert (whole == "test") == (part(key, test_fraction=test, validation_fraction=other) == "test")
    moved = part(key, test_fraction=other, validation_fraction=validation)
    assert (whole == "validation") == (moved == "validation")


@given(st.binary(min_size=8, max_size=32))
def test_positions_lie_between_0_and_1(key: bytes) -> None:
    assert 0 <= position(key) < 1


def test_the_ends_of_the_positions() -> None:
    assert position(bytes(32)) == 0
    assert position(bytes([128, *[0] * 31])) == 0.5
    assert position(b"\xff" * 32) == 1 - 2**-53


def test_each_split_is_about_its_fraction_of_all_rows() -> None:
    found = by_text([f"text {i}" for i in range(20_000)], 0.2, 0.1)
    count = Counter(found.values())
    assert abs(count["test"] - 4_000) < 200
    assert abs(count["validation"] - 2_000) < 150


def test_fraction_0_cuts_nothing() -> None:
    parts = cut(rows([str(i) for i in range(1000)]), test_fraction=0, validation_fraction=0)
    assert [len(parts[split]) for split in ("train", "validation", "test")] == [1000, 0, 0]
