import json

import pytest

from tritune.data.classification import classification_splits
from tritune.data.facts import Rows, facts_of
from tritune.data.profile import data_profile, quantiles
from tritune.data.rows import RawFile, Row, text_key
from tritune.settings.data import DataSettings


def rows(split: str, *pairs: tuple[str, str]) -> Rows:
    file = RawFile(f"{split}.csv", "x.csv")
    given = (Row(file, i, i + 1, text, label, text_key(text)) for i, (text, label) in enumerate(pairs, 1))
    return facts_of(given, file)


def test_the_profile_counts_what_is_there_and_what_was_dropped() -> None:
    given = {
        "train": rows(
            "train", *[(f"{i}", "a") for i in range(3)], ("x", "b"), ("yy", "b"), *[("X", "b")] * 7
        ),
        "validation": rows("validation", ("v", "a")),
        "test": rows("test", ("t", "a"), ("T", "a")),
    }
    data = classification_splits(given, settings=DataSettings(source="x"))
    profile = data_profile(data, task="text_classification", labels_trimmed={"train": 2, "test": 0})
    assert profile["rows_given"] == {"train": 12, "validation": 1, "test": 2}
    assert profile["dropped"]["train"] == {
        "repeated": {
            "why": "the same text with the same label came before",
            "rows": 7,
            "examples": [f"train.csv:{i}" for i in range(6, 11)],
        }
    }
    assert profile["splits"]["train"]["rows_per_label"] == {"a": 3, "b": 2}
    assert profile["splits"]["test"]["labels_without_rows"] == ["b"]
    assert profile["splits"]["test"]["distinct_texts"] == 1
    assert profile["splits"]["train"]["characters"]["max"] == 2
    assert profile["noticed_and_kept"]["test"]["repeated"]["rows"] == 1
    assert profile["labels_trimmed"] == {"train": 2}
    assert profile["splits_cut_from_train"] == []
    json.dumps(profile)


@pytest.mark.parametrize(
    ("lengths", "p05", "p50", "p99"),
    [([7], 7, 7, 7), ([2, 1], 1, 1, 2), (list(range(100, 0, -1)), 5, 50, 99)],
)
def test_quantiles_are_lengths_that_occur(lengths: list[int], p05: int, p50: int, p99: int) -> None:
    found = quantiles(lengths)
    assert (found["p05"], found["p50"], found["p99"]) == (p05, p50, p99)
    assert (found["min"], found["max"]) == (min(lengths), max(lengths))
