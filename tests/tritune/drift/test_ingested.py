"""What `ingest` writes for each task, as texts and labels."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.drift.ingested import Example, read_ingested


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": "hello", "label": "x"}, Example("hello", ("x",))),
        ({"text": "hello", "text_pair": "you", "label": "x"}, Example("hello\nyou", ("x",))),
        ({"text": "hello", "label": ["x", "y"]}, Example("hello", ("x", "y"))),
        (
            {"tokens": ["Ada", "L", "in", "Rome"], "tags": ["B-PER", "I-PER", "O", "B-LOC"]},
            Example("Ada L in Rome", ("PER", "LOC")),
        ),
        (
            {"question": "Where?", "context": "In Rome.", "answers": ["Rome"]},
            Example("Where?\nIn Rome.", ("with an answer",)),
        ),
        (
            {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]},
            Example("hi\nho"),
        ),
    ],
)
def test_a_row_of_each_task(tmp_path, row, expected):
    for split in ("train", "validation", "test"):
        pq.write_table(pa.Table.from_pylist([{"id": f"{split}:1", **row}]), tmp_path / f"{split}.parquet")
    (tmp_path / "labels.json").write_text(json.dumps(["x", "y"]))
    data = read_ingested(tmp_path)
    assert [replace(one, content="") for one in data.examples] == [expected] * 3
    assert len(set(data.examples)) == 3  # the split is a part of what a row holds
    assert data.labels == ["x", "y"]
    assert sum(data.rows_per_class.values()) == len(expected.labels)


@pytest.mark.parametrize(
    ("row", "corrected"),
    [
        (
            {"question": "Where?", "context": "In Rome or Bonn.", "answers": ["Rome"]},
            {"question": "Where?", "context": "In Rome or Bonn.", "answers": ["Bonn"]},
        ),
        (
            {"tokens": ["Ada", "L", "in"], "tags": ["B-PER", "O", "O"]},
            {"tokens": ["Ada", "L", "in"], "tags": ["B-PER", "I-PER", "O"]},
        ),
        (
            {"messages": [{"role": "user", "content": "hi"}]},
            {"messages": [{"role": "system", "content": "hi"}]},
        ),
    ],
)
def test_a_corrected_row_is_another_with_the_same_text_and_labels(tmp_path, row, corrected):
    before, after = (write(tmp_path / name, one).examples for name, one in (("a", row), ("b", corrected)))
    assert before[0] != after[0]
    assert replace(before[0], content="") == replace(after[0], content="")
    assert write(tmp_path / "c", row).examples == before


def write(folder, row):
    folder.mkdir()
    for split in ("train", "validation", "test"):
        pq.write_table(pa.Table.from_pylist([{"id": f"{folder.name}:1", **row}]), folder / f"{split}.parquet")
    (folder / "labels.json").write_text("[]")
    return read_ingested(folder)
