import numpy as np
import pyarrow as pa
import pytest

from tritune.tokens import (
    TokensInfo,
    read_column,
    read_tokens,
    read_tokens_info,
    token_schema,
    write_tokens_info,
)

SCHEMA = token_schema(listed_labels=False)


def write(path, batches):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for ids, rows, labels in batches:
            arrays = [pa.array(ids), pa.array(rows, pa.list_(pa.int32())), pa.array(labels, pa.int32())]
            writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))


def test_rows_of_several_batches_come_back_end_to_end(tmp_path):
    write(tmp_path / "t.arrow", [(["a", "b"], [[2, 5, 3], [2, 3]], [1, 0]), (["c"], [[7]], [2])])
    table = read_tokens(tmp_path / "t.arrow")
    assert table.rows == 3
    assert table.row_ids.to_pylist() == ["a", "b", "c"]
    assert table.tokens.tolist() == [2, 5, 3, 2, 3, 7]
    assert table.offsets.tolist() == [0, 3, 5, 6]
    assert table.lengths.tolist() == [3, 2, 1]
    assert table.row(1).tolist() == [2, 3]
    assert (table.tokens.dtype, table.offsets.dtype, table.labels.dtype) == (np.int32, np.int64, np.int32)


def test_a_table_without_rows_can_be_read(tmp_path):
    write(tmp_path / "t.arrow", [])
    assert read_tokens(tmp_path / "t.arrow").rows == 0


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "t.arrow").write_bytes(b"no table")
    with pytest.raises(pa.ArrowInvalid):
        read_tokens(tmp_path / "t.arrow")


def test_tokens_json_comes_back_and_its_bytes_do_not_vary(tmp_path):
    counts = {"train": 3, "validation": 1, "test": 1}
    info = TokensInfo(
        task="text_classification",
        objective="single_label",
        inputs=["text"],
        answering={},
        labels=["a", "ä"],
        pad_token_id=0,
        max_length=128,
        examples=counts,
        rows=counts,
        tokens=counts,
        counts={"train": {"truncated": 2}},
    )
    write_tokens_info(tmp_path, info)
    first = (tmp_path / "tokens.json").read_bytes()
    assert read_tokens_info(tmp_path) == info
    write_tokens_info(tmp_path, read_tokens_info(tmp_path))
    assert (tmp_path / "tokens.json").read_bytes() == first
    assert "ä" in first.decode()


def test_lists_of_labels_types_and_the_task_s_own_columns_come_back(tmp_path):
    own = {"word": pa.list_(pa.int32()), "window": pa.int32()}
    schema = token_schema(listed_labels=True, token_types=True, own=own)
    columns = [
        ["a", "b", "b"],
        [[2, 5, 3], [2, 3], [7]],
        [[-100, 1, -100], [], [4]],
        [[0, 0, 1], [0, 1], [0]],
        [[-1, 0, -1], [-1, -1], [0]],
        [0, 0, 1],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    table = read_tokens(tmp_path / "t.arrow")
    assert [table.row_labels(i).tolist() for i in range(3)] == columns[2]
    assert table.token_types is not None
    assert table.token_types.tolist() == [0, 0, 1, 0, 1, 0]
    assert read_column(tmp_path / "t.arrow", "word").tolist() == [-1, 0, -1, -1, -1, 0]
    assert read_column(tmp_path / "t.arrow", "window").tolist() == [0, 0, 1]
    with pytest.raises(KeyError):
        read_column(tmp_path / "t.arrow", "absent")
