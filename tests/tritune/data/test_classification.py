from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.data.classification import Classification, classification_splits
from tritune.data.facts import Rows, facts_of
from tritune.data.rows import RawFile, Row, text_key
from tritune.errors import InputError
from tritune.settings.data import DataSettings

Pairs = Sequence[tuple[str, str]]
CLEAN = [(f"text {i} of {label}", label) for i in range(40) for label in "abc"]


def classify(
    train: Pairs, *, validation: Pairs | None = None, test: Pairs | None = None, **options: Any
) -> Classification:
    given = {"train": train, "validation": validation, "test": test}
    rows = {split: facts(split, pairs) for split, pairs in given.items() if pairs is not None}
    return classification_splits(rows, settings=DataSettings(source="x", **options))


def facts(split: str, pairs: Pairs) -> Rows:
    file = RawFile(f"{split}.csv", f"my-{split}.csv")
    rows = (Row(file, i, i + 1, text, label, text_key(text)) for i, (text, label) in enumerate(pairs, 1))
    return facts_of(rows, file)


def labels(rows: Rows) -> list[str]:
    return [rows.facts.names[number] for number in rows.labels]


def refused(train: Pairs, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        classify(train, **options)
    return str(caught.value)


def ids(rows: Rows) -> list[str]:
    return rows.first_ids(len(rows))


def test_given_splits_stay_as_they_are() -> None:
    test = [("other", "a"), ("Other", "a"), ("other", "b")]
    data = classify(CLEAN, validation=[("one", "c")], test=test)
    assert {split: len(rows) for split, rows in data.splits.items()} == {
        "train": 120,
        "validation": 1,
        "test": 3,
    }
    assert ids(data.noticed["test"]["repeated"]) == ["test.csv:2"]
    assert ids(data.noticed["test"]["conflicting_label"]) == ["test.csv:1", "test.csv:2", "test.csv:3"]
    assert data.labels == ["a", "b", "c"]
    assert data.cut == []


def test_training_rows_that_a_given_split_holds_are_dropped() -> None:
    data = classify(
        [("Leak", "a"), ("seen", "b"), *CLEAN],
        validation=[("seen", "b"), ("leak ", "a")],
        test=[("leak", "b")],
    )
    assert ids(data.dropped["train"]["also_in_test"]) == ["train.csv:1"]
    assert ids(data.dropped["train"]["also_in_validation"]) == ["train.csv:2"]
    assert ids(data.noticed["validation"]["also_in_test"]) == ["validation.csv:2"]
    assert len(data.splits["train"]) == 120


def test_repeated_conflicting_and_blank_training_rows_are_dropped() -> None:
    bad = [("twice", "a"), ("Twice", "a"), ("torn", "a"), ("torn", "b"), (" ", "a")]
    data = classify([*bad, *CLEAN], validation=[("one", "c")], test=[("two", "c")])
    found = {reason: ids(rows) for reason, rows in data.dropped["train"].items() if len(rows)}
    assert found == {
        "blank_text": ["train.csv:5"],
        "repeated": ["train.csv:2"],
        "conflicting_label": ["train.csv:3", "train.csv:4"],
    }


def test_missing_splits_are_cut_off_the_training_rows() -> None:
    data = classify(CLEAN * 2, test_fraction=0.3, validation_fraction=0.2)
    assert data.cut == ["validation", "test"]
    assert sum(map(len, data.splits.values())) + len(data.dropped["train"]["repeated"]) == 240
    assert len(data.noticed["test"]["repeated"]) * 2 == len(data.splits["test"])
    keys = [set(rows.keys.tolist()) for rows in data.splits.values()]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
    assert not keys[1] & keys[2]


def test_a_given_test_split_leaves_the_cut_validation_split_alone() -> None:
    both, one = classify(CLEAN), classify(CLEAN, test=[("other", "a")])
    assert one.cut == ["validation"]
    assert ids(one.splits["validation"]) == ids(both.splits["validation"])


@given(st.lists(st.tuples(st.text(min_size=1), st.sampled_from("abc")), max_size=30))
def test_adding_rows_leaves_cut_rows_where_they_are(new: list[tuple[str, str]]) -> None:
    before, after = classify(CLEAN), classify([*CLEAN, *new])
    for split in ("validation", "test"):
        assert ids(after.splits[split])[: len(before.splits[split])] == ids(before.splits[split])


SMALL = st.lists(st.tuples(st.sampled_from(["p", "P", "q", "r ", "r", "s", " "]), st.sampled_from("abc")))


@given(SMALL, st.none() | SMALL.map(lambda rows: [row for row in rows if row[0].strip()]))
def test_no_training_text_is_in_another_split_and_each_stands_once(
    train: list[tuple[str, str]], test: list[tuple[str, str]] | None
) -> None:
    data = classify([*CLEAN, *train], test=test or None)
    keys = {split: data.splits[split].keys.tolist() for split in data.splits}
    assert len(set(keys["train"])) == len(keys["train"])
    assert not {*keys["validation"], *keys["test"]} & set(keys["train"])
    if test:
        assert len(data.splits["test"]) == len(test)


def test_a_rare_class_is_left_out_of_every_split() -> None:
    rare = [("one d", "d"), ("two d", "d")]
    data = classify(
        [*rare, *CLEAN],
        validation=[("three d", "d"), ("x", "a")],
        test=[("four d", "d"), ("y", "a")],
        min_rows_per_class=3,
        rare_classes="drop",
    )
    assert data.dropped_classes == {"d": 2}
    assert data.labels == ["a", "b", "c"]
    assert [len(data.dropped[split]["rare_class"]) for split in data.splits] == [2, 1, 1]
    assert Counter(labels(data.splits["train"])) == {"a": 40, "b": 40, "c": 40}


def test_a_class_that_the_test_split_took_whole_counts_as_rare() -> None:
    message = refused([("one d", "d"), *CLEAN], test=[("one d", "d")])
    assert message == (
        "data.min_rows_per_class: 1 of 4 classes have fewer than 2 distinct training texts: 'd' (0). Add "
        "rows, lower it, or set data.rare_classes: drop to leave these classes out"
    )


def test_rare_classes_are_listed_rarest_first_and_five_at_most() -> None:
    train = [(f"{label}{i}", label) for n, label in enumerate("fghijkl", start=2) for i in range(n)]
    message = refused([*train, *CLEAN], test=[("y", "a")], validation=[("x", "a")], min_rows_per_class=30)
    assert message == (
        "data.min_rows_per_class: 7 of 10 classes have fewer than 30 distinct training texts: 'f' (2), 'g' "
        "(3), 'h' (4), 'i' (5), 'j' (6) and 2 more. Add rows, lower it, or set data.rare_classes: drop to "
        "leave these classes out"
    )


def test_one_class_only_is_refused() -> None:
    assert refused([("x", "a"), ("y", "a")]) == (
        "my-train.csv: every row has the label 'a'; a classifier needs two or more. Is data.label in "
        "params.yaml the right column?"
    )


def test_one_class_left_is_refused() -> None:
    message = refused(
        [*CLEAN, ("d", "d")][-4:], rare_classes="drop", test=[("x", "a")], validation=[("y", "a")]
    )
    assert message == (
        "data.min_rows_per_class: only 0 of 4 classes have 2 or more distinct training texts, and a "
        "classifier needs two; add rows or lower it"
    )


def test_an_unknown_label_is_refused_with_its_place() -> None:
    assert refused(CLEAN, test=[("x", "a"), ("y", "bb")]) == (
        "my-test.csv, row 2 (line 3): no training row has the label 'bb' (did you mean 'b'?); correct it, or "
        "add training rows of that class. The training rows have 'a', 'b', 'c'"
    )
    many = [(f"text {i}", f"class {i:02}") for i in range(12)]
    assert refused(many, validation=[("x", "?")]).endswith("'class 09' and 2 more")


def test_a_cut_that_leaves_a_split_empty_is_refused() -> None:
    few = [("x1", "a"), ("x2", "a"), ("x3", "b"), ("x4", "b")]
    assert refused(few, test_fraction=0.0001, validation=[("y", "a")]) == (
        "data.test_fraction: 0.0001 of 4 rows left the test split without a row; add rows, raise it, or give "
        "a file test.csv"
    )


def test_a_given_split_of_rare_classes_only_is_refused() -> None:
    message = refused(
        [("d", "d"), *CLEAN], rare_classes="drop", test=[("one d", "d")], validation=[("x", "a")]
    )
    assert message == (
        "my-test.csv: all rows belong to classes with fewer than 2 distinct training texts "
        "(data.min_rows_per_class), which data.rare_classes: drop leaves out; nothing is left"
    )
