import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.data.records import Record, read_records
from tritune.data.rows import RawFile
from tritune.errors import InputError

COLUMNS = [("tokens", "data.tokens"), ("tags", "data.tags"), ("answers", "data.answers")]
ROW = {"tokens": ["a", "b"], "tags": ["O", "O"], "answers": {"text": ["a"], "answer_start": [0]}, "id": 4}


def read(path: Path, columns: list[tuple[str, str]] = COLUMNS) -> list[Record]:
    return list(read_records(path, RawFile(path.name, "mine.xyz"), columns))


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_lists_and_structs_come_as_lists_and_dicts(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"train{ending}"
    if ending == ".jsonl":
        path.write_text(f"\n{json.dumps(ROW)}\n")
    else:
        pq.write_table(pa.Table.from_pylist([ROW]), path)
    line = 2 if ending == ".jsonl" else None
    assert read(path) == [Record(1, line, (ROW["tokens"], ROW["tags"], ROW["answers"]))]


def test_the_columns_come_in_the_order_asked_for_and_twice_if_asked_twice(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("a,b\n1,2\n")
    assert read(path, [("b", "data.b"), ("a", "data.a"), ("b", "data.b")])[0].values == ("2", "1", "2")


def test_every_column_asked_for_is_named(tmp_path: Path) -> None:
    empty, scalar = tmp_path / "train.csv", tmp_path / "train.jsonl"
    empty.write_text("")
    scalar.write_text("3\n")
    with pytest.raises(InputError) as caught:
        read(empty)
    assert str(caught.value) == (
        "mine.xyz: the file is empty; its first line must name the columns, 'tokens' and 'tags' and "
        "'answers' among them"
    )
    with pytest.raises(InputError) as caught:
        read(scalar, COLUMNS[:1])
    assert str(caught.value) == (
        'mine.xyz, row 1 (line 1): int, not an object; each line must be one JSON object such as {"tokens": '
        "...}"
    )


def test_half_a_surrogate_pair_is_refused_inside_a_list_too(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(ROW | {"tokens": ["a", "\ud83d"]}) + "\n")
    with pytest.raises(InputError, match=r"row 1 \(line 1\): it holds half of a surrogate pair"):
        read(path)
    path.write_text(json.dumps(ROW | {"tokens": ["a", "😀"]}) + "\n")
    assert read(path)[0].values[0] == ["a", "😀"]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_an_optional_column_is_none_where_the_file_has_none(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"train{ending}"
    row = {"a": "1", "id": "x"}
    if ending == ".csv":
        path.write_text("a,id\n1,x\n")
    elif ending == ".jsonl":
        path.write_text(json.dumps(row) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist([row]), path)
    records = list(
        read_records(path, RawFile(path.name, "mine"), [("a", "data.a")], optional=("other", "id"))
    )
    assert [record.values for record in records] == [("1", None, "x")]


def test_squad_s_form_is_for_question_answering(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text("{}")
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == (
        "mine.xyz: a .json file is read with task: question_answering only; write one JSON object a line and "
        "call it .jsonl"
    )


def test_a_word_a_line_is_for_entities(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text("Ada B-x\n")
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == (
        "mine.xyz: a .conll file is read with task: named_entity_recognition only, a word and its tag a "
        "line; else save it with named columns, as .csv or .tsv"
    )
