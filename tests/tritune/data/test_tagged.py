import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.data.rows import RawFile, text_key
from tritune.data.tagged import TaggedRow, read_tagged, separate_tags
from tritune.errors import InputError
from tritune.settings.data import DataSettings

ROW = {"tokens": ["Ada", "!"], "ner_tags": ["B-x", "O"]}


def read(path: Path, *, blank_text: bool = True, **settings: str) -> list[TaggedRow]:
    rows = read_tagged(
        path,
        RawFile(path.name, "mine.jsonl"),
        settings=DataSettings(source="mine", **settings),  # type: ignore[arg-type]
        blank_text=blank_text,
    )
    return list(rows)


def written(folder: Path, *rows: dict[str, Any], name: str = "train.jsonl") -> Path:
    path = folder / name
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".tsv", ".csv", ".conll", ".bio", ".txt"])
def test_every_format_gives_the_same_rows(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"train{ending}"
    if ending in {".jsonl", ".parquet"}:
        written(tmp_path, ROW, name=path.name)
    elif ending == ".tsv":
        path.write_text('tokens\tner_tags\n"[""Ada"", ""!""]"\t"[""B-x"", ""O""]"\n')
    elif ending == ".csv":
        path.write_text('ner_tags,tokens\n"[""B-x"", ""O""]","[""Ada"", ""!""]"\n')
    else:
        path.write_text("Ada B-x\n! O\n")
    (row,) = read(path)
    assert (row.words, row.tags, row.text) == (("Ada", "!"), ("B-x", "O"), "Ada !")
    assert (row.number, row.key) == (1, text_key("Ada !"))
    assert separate_tags(row.label) == ["B-x", "O"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": None}, ", column 'tokens': the words are missing; fill them in or delete the row"),
        (
            {"tokens": "Ada !"},
            ", column 'tokens': the words are 'Ada !'; write them as a JSON list, such as "
            '["Ada", "Lovelace"]',
        ),
        (
            {"ner_tags": {"a": 1}},
            ", column 'ner_tags': the tags are {'a': 1}, of type dict; they must be a list",
        ),
        ({"tokens": ["Ada", ""]}, ", column 'tokens': word 2 is empty; take it out of both lists"),
        ({"tokens": ["Ada", 3]}, ", column 'tokens': word 2 is 3, of type int; it must be a string"),
        ({"tokens": ["Ada"]}, ": 1 words but 2 tags; each word needs one"),
        (
            {"ner_tags": ["B-x", None]},
            ", column 'ner_tags': the tag None is of type NoneType; it must be a string such as B-person",
        ),
        (
            {"ner_tags": ["PER", "O"]},
            ", column 'ner_tags': the tag 'PER': a tag is O, or B-, I-, E- or S- and the entity's type, such "
            "as B-person",
        ),
        (
            {"ner_tags": ["U-PER", "O"]},
            ", column 'ner_tags': the tag 'U-PER': tags of the BILOU scheme: write E- for L- and S- for U-",
        ),
        (
            {"ner_tags": ["B-x\x1f", "O"]},
            ", column 'ner_tags': the tag 'B-x\\x1f' holds a control character (\\x1f); remove it",
        ),
        (
            {"ner_tags": [1, 0]},
            ", column 'ner_tags': the tags are numbers, and no other column has their names; replace each by "
            "its name, such as B-person for an entity's first word and O outside",
        ),
        (
            {"ner_tags": [1, 0], "names": ["B-x", "O"]},
            ", column 'ner_tags': the tags are numbers; 'names' has their names: set data.tags: names",
        ),
    ],
)
def test_a_broken_row_is_refused_with_its_place(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(written(tmp_path, ROW | row))
    assert str(caught.value) == f"mine.jsonl, row 1 (line 1){message}"


@pytest.mark.parametrize("name", ["train.parquet", "train.jsonl"])
def test_a_column_with_names_is_found_in_every_format(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, {"tokens": ["Ada"], "ner_tags": [1], "id": "O", "names": ["B-x"]}, name=name)
    with pytest.raises(InputError, match=r"'names' has their names: set data\.tags: names"):
        read(path)
    assert read(path, tags="names")[0].tags == ("B-x",)


def test_numbers_in_a_csv_are_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text('tokens,ner_tags,names\n"[""Ada""]",[1],"[""B-x""]"\n')
    with pytest.raises(InputError, match="'names' has their names"):
        read(path)


def test_texts_without_words_are_refused_where_rows_are_never_dropped(tmp_path: Path) -> None:
    path = written(tmp_path, {"tokens": [" ", "\t"], "ner_tags": ["O", "O"]})
    assert read(path)[0].text.strip() == ""
    with pytest.raises(InputError) as caught:
        read(path, blank_text=False)
    assert str(caught.value) == (
        "mine.jsonl, row 1 (line 1), column 'tokens': there are no words, and rows for validation and test "
        "are never dropped; fill them in or delete the row"
    )
