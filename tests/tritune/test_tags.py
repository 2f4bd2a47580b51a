import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from tritune.tags import Entity, all_tags, entities, is_tag, malformed, scheme_of, tag_type, words_of

TAGS = st.sampled_from(["O", *(f"{place}-{kind}" for place in "BIES" for kind in ("x", "y-z"))])


@given(st.lists(TAGS, max_size=12))
def test_entities_are_seqeval_s(tags: list[str]) -> None:
    expected = [(one.type, one.start, one.end - 1) for one in entities(tags)]
    assert get_entities(tags) == expected


@given(st.lists(st.sampled_from(["O", "B", "I", "E", "S"]), max_size=12))
def test_tags_without_a_type_are_seqeval_s_too(tags: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert get_entities(tags) == [(one.type, one.start, one.end - 1) for one in entities(tags)]


@pytest.mark.parametrize(
    "tags",
    ["I-x I-x O I-x B-x I-y", "B-x I-x O B-x B-x B-y", "B-x E-x O S-x S-x S-y"],
    ids=["IOB1", "IOB2", "BIOES"],
)
def test_three_schemes_say_the_same(tags: str) -> None:
    found = entities(tags.split())
    assert found == [Entity("x", 0, 2), Entity("x", 3, 4), Entity("x", 4, 5), Entity("y", 5, 6)]
    assert list(words_of(found)) == [0, 1, 3, 4, 5]


def test_a_malformed_transition_begins_an_entity() -> None:
    assert entities(["O", "I-x", "I-y", "O"]) == [Entity("x", 1, 2), Entity("y", 2, 3)]


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["O I-x I-x", "I-x B-x"], "IOB1"),
        (["B-x I-x O", "O"], "IOB2"),
        (["B-x I-x", "O I-x", "I-y"], "IOB2"),
        (["O"], "IOB2"),
        (["B-x E-x"], "BIOES"),
        (["O S-x"], "BIOES"),
    ],
)
def test_the_scheme_shows_in_the_tags(sentences: list[str], scheme: str) -> None:
    assert scheme_of(sentence.split() for sentence in sentences) == scheme


@pytest.mark.parametrize(
    ("tags", "scheme", "count"),
    [
        ("B-x I-x O B-y B-y", "IOB2", 0),
        ("O I-x I-x I-y B-x I-y", "IOB2", 3),
        ("O I-x B-x I-y", "IOB1", 0),
        ("S-x B-x I-x E-x O", "BIOES", 0),
        ("B-x O I-x E-x B-y", "BIOES", 3),
        ("B-x B-x E-x E-x", "BIOES", 2),
    ],
)
def test_malformed_places_are_counted(tags: str, scheme: str, count: int) -> None:
    assert malformed(tags.split(), scheme) == count  # type: ignore[arg-type]


def test_the_tags_of_a_scheme_are_sorted_with_outside_first() -> None:
    assert all_tags(["person", "group"], "IOB2") == ["O", "B-group", "B-person", "I-group", "I-person"]
    assert all_tags(["_"], "BIOES") == ["O", "B", "E", "I", "S"]


def test_types_keep_their_hyphens() -> None:
    assert [tag_type(tag) for tag in ("B-creative-work", "O", "I")] == ["creative-work", None, "_"]
    assert [is_tag(tag) for tag in ("O", "B-", "B", "PER", "L-x", "O-x", "", "I-x y")] == [
        True, False, True, False, False, False, False, True,
    ]  # fmt: skip
