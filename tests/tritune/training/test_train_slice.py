from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.task.contract import Split
from tritune.tokens import read_tokens, token_schema
from tritune.training.train_slice import TrainSlice, slice_rows, slice_size, write_slice


@pytest.mark.parametrize(
    ("training", "validation", "size"),
    [
        (50_000, 2_000, 400),  # some hundreds at most
        (3_000, 250, 250),  # as many as validation has
        (3_000, 600, 300),  # a tenth of the training examples
        (800, 600, 100),  # but a hundred
        (60, 20, 60),  # or all there are
    ],
)
def test_the_slice_is_as_large_as_validation_within_bounds(training, validation, size):
    assert slice_size(training, validation) == size


def test_it_depends_on_the_examples_alone_and_not_on_their_order(kit):
    table, validation = kit.token_table(400), kit.token_table(150)
    rows = slice_rows(table, validation)
    assert len(rows) == 100
    assert np.array_equal(rows, np.unique(rows))
    assert np.array_equal(rows, slice_rows(table, validation))
    turned = np.arange(400)[::-1]
    other = replace(table, row_ids=table.row_ids.take(turned), labels=table.labels[turned])
    chosen = slice_rows(other, validation)
    assert set(other.row_ids.take(chosen).to_pylist()) == set(table.row_ids.take(rows).to_pylist())


def test_each_label_has_its_share_give_or_take_one(kit):
    table = kit.token_table(700)
    labels = np.array([0] * 630 + [1] * 50 + [2] * 20, dtype=np.int32)
    found = labels[slice_rows(replace(table, labels=labels), kit.token_table(500))]
    shares = np.bincount(found, minlength=3)
    assert np.abs(shares - np.array([90, 50 / 7, 20 / 7])).max() <= 1


def test_all_windows_of_an_example_are_in_it_or_none(kit):
    table = kit.token_table(600)
    windows = replace(
        table,
        row_ids=pa.array([f"example {row // 3}" for row in range(600)]),
        labels=table.tokens,
        label_offsets=table.offsets,
    )
    rows = slice_rows(windows, kit.token_table(150))
    assert len(rows) == 300
    assert (np.bincount(rows // 3, minlength=200) % 3 == 0).all()
    assert TrainSlice(rows, replace(windows, row_ids=windows.row_ids.take(rows)), dict).examples == 100


def test_it_is_written_as_a_split_of_its_own(tmp_path: Path):
    schema = token_schema(listed_labels=False, own={"words": pa.int32()})
    ids = ["a", "b", "b", "c"]
    columns = [ids, [[1], [2], [3], [4]], [0, 1, 1, 0], [7, 8, 9, 10]]
    table = pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
    with pa.OSFile(str(tmp_path / "train.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(table)
    # An example that no token row stands for is not in the slice either.
    gold = pa.table({"id": ["a", "left out", "b", "c"], "text": ["A", "L", "B", "C"]})
    pq.write_table(gold, tmp_path / "train.parquet")
    given = Split("train", tmp_path / "train.arrow", tmp_path / "train.parquet")
    for rows in ([0], [1, 2, 3]):  # the second is written over the first
        found = write_slice(given, np.array(rows), tmp_path / "scratch")
    assert read_tokens(found.tokens).row_ids.to_pylist() == ["b", "b", "c"]
    assert read_tokens(found.tokens).tokens.tolist() == [2, 3, 4]
    assert pq.read_table(found.gold).to_pylist() == [{"id": "b", "text": "B"}, {"id": "c", "text": "C"}]
