from typing import Any

import pytest

from tritune.data.facts import Rows, facts_of
from tritune.data.rows import RawFile, text_key
from tritune.data.tagged import TaggedRow
from tritune.data.tagged_splits import Tagged, sentences, tagged_profile, tagged_splits
from tritune.errors import InputError
from tritune.settings.data import DataSettings


def rows(split: str, *texts: tuple[str, str]) -> list[TaggedRow]:
    file = RawFile(f"{split}.conll", f"my-{split}.conll")
    return [
        TaggedRow(file, number, number, tuple(words.split()), tuple(tags.split()), text_key(words))
        for number, (words, tags) in enumerate(texts, start=1)
    ]


TRAIN = rows("train", ("ada is", "B-x O"), ("bob in oslo", "B-x O B-y"), ("in rome", "O B-y"))
DEV = rows("validation", ("eve", "B-x"))
TEST = rows("test", ("the nile is", "O B-y O"))


def split(
    train: list[TaggedRow],
    dev: list[TaggedRow] | None = None,
    test: list[TaggedRow] | None = None,
    **settings: Any,
) -> Tagged:
    given = {"train": train, "validation": dev, "test": test}
    return tagged_splits(
        {name: facts_of(part, part[0].file) for name, part in given.items() if part is not None},
        settings=DataSettings(source="a", **settings),
    )


def ids(rows: Rows) -> list[str]:
    return rows.first_ids(len(rows))


def test_labels_are_the_scheme_s_tags_of_every_training_type() -> None:
    assert split(TRAIN, DEV, TEST).labels == ["O", "B-x", "B-y", "I-x", "I-y"]


def test_a_tag_that_training_never_shows_is_known_by_its_type() -> None:
    dev = rows("validation", ("eve smith", "B-x I-x"))
    assert "I-x" in split(TRAIN, dev, TEST).labels


def test_training_rows_that_repeat_conflict_or_leak_are_dropped_and_counted() -> None:
    train = [
        *TRAIN,
        *rows(
            "train2", ("Ada  IS", "B-x O"), ("the nile is", "O O O"), ("Eve", "B-x"), (" ", "O"), ("go", "O")
        ),
        *rows("train3", ("go", "B-x")),
    ]
    data = split(train, DEV, TEST)
    dropped = tagged_profile(data, task="named_entity_recognition")["dropped"]["train"]
    assert {reason: found["rows"] for reason, found in dropped.items()} == {
        "blank_text": 1,
        "repeated": 1,
        "also_in_test": 1,
        "also_in_validation": 1,
        "conflicting_label": 2,
    }
    assert ids(data.cleaned.splits["train"]) == ["train.conll:1", "train.conll:2", "train.conll:3"]


def test_missing_splits_are_cut_by_the_text_alone() -> None:
    texts = [(f"ada {number} is", "B-x O O") for number in range(60)]
    few, more = split(rows("train", *texts[:50])), split(rows("train", *texts))
    for part in ("train", "validation", "test"):
        assert set(ids(few.cleaned.splits[part])) <= set(ids(more.cleaned.splits[part]))
    assert more.cleaned.cut == ["validation", "test"]


def refused(*given: list[TaggedRow], **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        split(*given, **settings)
    return str(caught.value)


def test_a_type_without_training_rows_is_refused() -> None:
    assert refused(TRAIN, rows("validation", ("a", "O"), ("z", "B-z")), TEST) == (
        "my-validation.conll, row 2 (line 2): no training row has entities of the type 'z'; correct it, or "
        "add training rows with such entities. The training rows have 'x', 'y'"
    )


def test_no_entity_at_all_is_refused() -> None:
    assert refused(rows("train", ("a b", "O O"))) == (
        "my-train.conll: every word has the tag O, so there is no entity to learn; is data.tags in "
        "params.yaml the right column?"
    )


RARE = [*TRAIN, *rows("more", ("zed zed", "B-z B-z"))]


def test_a_rare_type_is_refused() -> None:
    assert refused(RARE, DEV, TEST) == (
        "data.min_rows_per_class: 1 of 3 types of entities are in fewer than 2 distinct training texts: 'z' "
        "(1). Add rows, or lower it, or set data.rare_classes: drop not to learn these types"
    )


def test_a_rare_type_is_not_learnt_but_stays_to_be_missed() -> None:
    dev = rows("validation", ("zoe", "B-z"))
    data = split(RARE, dev, TEST, rare_classes="drop")
    assert data.labels == ["O", "B-x", "B-y", "I-x", "I-y"]
    assert data.dropped_types == {"z": 1}
    assert list(sentences(data.cleaned.splits["validation"])) == [(["B-z"], 1)]
    assert len(data.cleaned.splits["train"]) == 4


def test_where_every_type_is_rare_there_is_nothing_to_drop() -> None:
    assert refused(TRAIN, DEV, TEST, min_rows_per_class=5, rare_classes="drop") == (
        "data.min_rows_per_class: 2 of 2 types of entities are in fewer than 5 distinct training texts: 'x' "
        "(2), 'y' (2). Add rows, or lower it"
    )


def test_a_cut_split_without_rows_is_refused() -> None:
    assert refused(TRAIN, test=TEST, validation_fraction=0.001) == (
        "data.validation_fraction: 0.001 of 3 rows left the validation split without a row; add rows, raise "
        "it, or give a file validation.csv"
    )


def test_the_profile_counts_entities_tags_and_broken_rules() -> None:
    dev = rows("validation", ("eve smith oslo", "I-x I-x B-y"))
    profile = tagged_profile(split(TRAIN, dev, TEST), task="named_entity_recognition")
    assert profile["tag_scheme"] == "IOB2"
    part = profile["splits"]["validation"]
    assert part["entities_per_type"] == {"x": 1, "y": 1}
    assert part["words_per_tag"] == {"B-y": 1, "I-x": 2}
    assert (part["rows"], part["entities"], part["malformed_transitions"]) == (1, 2, 1)
    assert part["words"]["max"] == 3
    assert profile["rows_given"] == {"train": 3, "validation": 1, "test": 1}
