from hypothesis import given
from hypothesis import strategies as st

from tritune.data.clean import among, blank, conflicting, labelled, repeated
from tritune.data.facts import Rows, facts_of
from tritune.data.rows import RawFile, Row, text_key

FILE = RawFile("train.csv", "train.csv")
PAIRS = st.lists(st.tuples(st.sampled_from(["a", "A ", "b", "c"]), st.sampled_from("xyz")))


def rows(pairs: list[tuple[str, str]]) -> Rows:
    given = (Row(FILE, i, i + 1, text, label, text_key(text)) for i, (text, label) in enumerate(pairs, 1))
    return facts_of(given, FILE)


def numbers(found: Rows) -> list[int]:
    return [int(position) + 1 for position in found.positions]


def test_of_repeated_rows_the_first_is_kept() -> None:
    kept, found = repeated(rows([("a", "x"), ("A ", "x"), ("a", "y"), ("b", "x"), ("b", "x")]))
    assert (numbers(kept), numbers(found)) == ([1, 3, 4], [2, 5])


def test_of_conflicting_rows_none_is_kept() -> None:
    kept, found = conflicting(rows([("a", "x"), ("b", "x"), ("A", "y"), ("b", "x")]))
    assert (numbers(kept), numbers(found)) == ([2, 4], [1, 3])


def test_a_text_is_found_among_others_whatever_its_label() -> None:
    kept, found = among(rows([("a", "x"), ("b", "x")]), rows([("A ", "y"), ("c", "x")]))
    assert (numbers(kept), numbers(found)) == ([2], [1])


def test_blank_texts_and_classes_are_found() -> None:
    some = rows([(" \t\n", "x"), ("a", "y"), ("\u00a0", "y")])
    assert [numbers(part) for part in blank(some)] == [[2], [1, 3]]
    assert [numbers(part) for part in labelled(some, {"x"})] == [[2, 3], [1]]


@given(PAIRS)
def test_after_both_rules_every_text_stands_once(pairs: list[tuple[str, str]]) -> None:
    kept, _ = conflicting(repeated(rows(pairs))[0])
    assert len(set(kept.keys.tolist())) == len(kept)


@given(PAIRS)
def test_no_row_is_lost_or_reordered(pairs: list[tuple[str, str]]) -> None:
    for kept, found in (repeated(rows(pairs)), conflicting(rows(pairs)), among(rows(pairs), rows(pairs[:1]))):
        assert sorted(numbers(kept) + numbers(found)) == list(range(1, len(pairs) + 1))
        assert numbers(kept) == sorted(numbers(kept))
        assert numbers(found) == sorted(numbers(found))
