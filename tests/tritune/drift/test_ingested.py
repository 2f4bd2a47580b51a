"""What `ingest` writes for each task, as texts and labels."""

import json

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
    assert data.examples == [expected] * 3
    assert data.labels == ["x", "y"]
    assert sum(data.rows_per_class.values()) == len(expected.labels)
