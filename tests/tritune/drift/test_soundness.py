"""New data that look broken beside the champion's, and what is said of them."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from streams import LABELS, data, rows

from tritune.drift.ingested import Example
from tritune.drift.soundness import unsound

MEND = ". Mend data.source; if they are meant to be so, train on them by hand with `tritune run`"


@pytest.fixture
def champion():
    return data(rows(np.random.default_rng(5), 200))


def test_more_rows_and_new_classes_are_sound(champion):
    grown = data([*champion.splits["train"], Example("new", ("d",))], labels=[*LABELS, "d"])
    assert unsound(grown, champion, name="v0.0.1") is None
    assert unsound(champion, champion, name="v0.0.1") is None


def test_a_class_that_is_gone_stops_the_night(champion):
    left = data([one for one in champion.splits["train"] if one.labels != ("c",)], labels=["a", "b"])
    assert unsound(left, champion, name="v0.0.1") == (
        f"the new data look broken: they lack the class 'c', which v0.0.1 knows{MEND}"
    )


def test_less_than_half_of_the_rows_stops_the_night(champion):
    half = data(champion.splits["train"][:100])
    assert "train has" not in (unsound(half, champion, name="v0.0.1") or "")
    fewer = data(champion.splits["train"][:99])
    assert "train has 99 rows, and had 200 for v0.0.1" in unsound(fewer, champion, name="v0.0.1")


def test_a_class_that_lost_more_than_half_stops_the_night(champion):
    of_class = [one for one in champion.splits["train"] if one.labels == ("b",)]
    kept = len(of_class) // 2 - 1
    others = [one for one in champion.splits["train"] if one.labels != ("b",)]
    assert unsound(data([*others, *of_class[:kept]]), champion, name="v0.0.1") == (
        f"the new data look broken: 'b' has {kept} training rows, and had {len(of_class)} for v0.0.1{MEND}"
    )


def test_other_columns_stop_the_night(champion):
    other = data(champion.splits["train"], columns={"id": "string", "text": "string"})
    assert unsound(other, champion, name="v0.0.1") == (
        "the new data look broken: they have columns id (string), text (string), and the data of v0.0.1 "
        f"columns id (string), text (string), label (string){MEND}"
    )
