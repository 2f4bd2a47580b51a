import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.data.read import read_rows
from tritune.data.records import CHUNK
from tritune.data.rows import RawFile, Row, separate_labels
from tritune.errors import InputError
from tritune.settings.data import DataSettings


def read(path: Path, *, blank_text: bool = True, **settings: Any) -> list[Row]:
    file = RawFile(path.name, "tickets.csv")
    return list(read_rows(path, file, DataSettings(source="x", **settings), blank_text=blank_text))


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_row_is_named_by_raw_file_and_data_row(tmp_path: Path) -> None:
    path = written(tmp_path, "train.csv", 'label,text\na,"two\nlines"\nb,one line\n')
    rows = read(path)
    assert [(row.file.raw, row.number, row.line, row.text, row.label) for row in rows] == [
        ("train.csv", 1, 2, "two\nlines", "a"),
        ("train.csv", 2, 4, "one line", "b"),
    ]


AWKWARD = [
    '"',
    'he said ""',
    "a,b",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "\0",
    "🙂",
    "e\u0301",
    "\u2028",
    " ",
    "'",
    "\\",
    "\ufeff",
]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_awkward_texts_survive_every_format(tmp_path: Path, ending: str) -> None:
    texts = [*AWKWARD, "x" * 300_000]
    path = tmp_path / f"train{ending}"
    if ending in {".csv", ".tsv"}:
        mark = "," if ending == ".csv" else "\t"
        lines = [f"text{mark}label"] + ['"{}"{}a'.format(t.replace('"', '""'), mark) for t in texts]
        path.write_bytes("\n".join(lines).encode())
    elif ending == ".jsonl":
        path.write_bytes("\n".join(json.dumps({"text": t, "label": "a"}) for t in texts).encode())
    else:
        pq.write_table(pa.table({"text": texts, "label": ["a"] * len(texts)}), path)
    assert [row.text for row in read(path)] == texts


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5))
def test_any_text_survives_csv(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    lines = ["text,label"] + ['"{}",a'.format(text.replace('"', '""')) for text in texts]
    path = written(tmp_path_factory.mktemp("csv"), "train.csv", "\r\n".join(lines))
    assert [row.text for row in read(path)] == texts


def test_a_byte_order_mark_and_empty_lines_are_no_data(tmp_path: Path) -> None:
    csv = written(tmp_path, "train.csv", b"\xef\xbb\xbftext,label\n\nhello,a\n\n")
    jsonl = written(tmp_path, "train.jsonl", b'\xef\xbb\xbf{"text": "hello", "label": "a"}\n\n')
    assert [(row.number, row.line, row.text) for row in read(csv)] == [(1, 3, "hello")]
    assert [(row.number, row.line, row.text) for row in read(jsonl)] == [(1, 1, "hello")]


@pytest.mark.parametrize(("value", "label"), [("1", "1"), ("true", "true"), ('"spam"', "spam"), ("-3", "-3")])
def test_labels_may_be_text_numbers_or_truth_values(tmp_path: Path, value: str, label: str) -> None:
    path = written(tmp_path, "train.jsonl", f'{{"text": "hello", "label": {value}}}\n')
    assert [row.label for row in read(path)] == [label]


def test_white_space_around_labels_is_cut_off_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "train.csv", "text,label\nx, a\ny,a \nz,a\n")
    assert [(row.label, row.trimmed) for row in read(path)] == [("a", 1), ("a", 1), ("a", 0)]


def test_columns_can_have_any_name(tmp_path: Path) -> None:
    path = written(tmp_path, "train.tsv", "id\tBody of mail\tTopic\n1\thello\tgreeting\n")
    assert [(row.text, row.label) for row in read(path, text="Body of mail", label="Topic")] == [
        ("hello", "greeting")
    ]


def test_dictionary_columns_of_parquet_are_read(tmp_path: Path) -> None:
    labels = pa.array(["a", "b", "a"]).dictionary_encode()
    pq.write_table(pa.table({"text": ["x", "y", "z"], "label": labels}), tmp_path / "train.parquet")
    assert [row.label for row in read(tmp_path / "train.parquet")] == ["a", "b", "a"]


UTF8_ADVICE = (
    'save the file as UTF-8 (in a spreadsheet: "CSV UTF-8"), or convert it: '
    "iconv -f WINDOWS-1252 -t UTF-8 tickets.csv > NEW_FILE"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"",
            "tickets.csv: the file is empty; its first line must name the columns, 'text' and 'label' among "
            "them",
        ),
        (b"text,label\n", "tickets.csv: no rows; add some, or remove the file"),
        (
            b"text,label\nok,a\ncaf\xe9,b\n",
            f"tickets.csv, line 3: byte 19 (0xe9) is not UTF-8; {UTF8_ADVICE}",
        ),
        (b"text,label\nx\xe2\x82", f"tickets.csv, line 2: byte 12 (0xe2) is not UTF-8; {UTF8_ADVICE}"),
        (
            "text,label\nx,a\n".encode("utf-16"),
            'tickets.csv: the file is UTF-16, not UTF-8; save it as UTF-8 (in a spreadsheet: "CSV UTF-8")',
        ),
        (
            b"text,Labels\nx,a\n",
            "tickets.csv, line 1: no column 'label' (did you mean 'Labels'?); set data.label in params.yaml "
            "to one of: 'text', 'Labels'",
        ),
        (
            b"body,label\nx,a\n",
            "tickets.csv, line 1: no column 'text'; set data.text in params.yaml to one of: 'body', 'label'",
        ),
        (b"text,label,text\nx,a,y\n", "tickets.csv, line 1: 2 columns are called 'text'; rename all but one"),
        (
            b"text;label\nx;a\n",
            "tickets.csv, line 1: columns are separated by semicolons; in a .csv file it must be commas: "
            "save the file with commas",
        ),
        (
            b"text\tlabel\nx\ta\n",
            "tickets.csv, line 1: columns are separated by tabs; in a .csv file it must be commas: rename "
            "the file to .tsv",
        ),
        (b"\x1f\x8b\x08", "tickets.csv: not a .csv file but packed with gzip; unpack it"),
        (
            b"PK\x03\x04",
            "tickets.csv: not a .csv file but a zip archive or an Excel workbook; unpack it, or save it as "
            "CSV UTF-8",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "tickets.csv: not a .csv file but a Git LFS pointer, not the data; run `git lfs pull`",
        ),
        (
            b'text,label\n"a\nb",x\nwell, hello,a\n',
            "tickets.csv, row 2 (line 4): 3 fields, but the header names 2; put a text that contains ',' or "
            "a line break in double quotes",
        ),
        (
            b'text,label\nx,a\n"no end,b\ny,c\n',
            "tickets.csv, row 2 (line 3): broken quotes (unexpected end of data); a field that begins with a "
            "double quote must end with one, and a double quote inside it is written twice",
        ),
        (
            b'text,label\n"a\nb",x\n,y\n',
            "tickets.csv, row 2 (line 4), column 'text': the text is missing; fill it in or delete the row",
        ),
        (
            b"text,label\nx,a\ny, \n",
            "tickets.csv, row 2 (line 3), column 'label': the label is missing; fill it in or delete the row",
        ),
    ],
)
def test_a_broken_csv_is_refused_with_the_place(tmp_path: Path, content: bytes, message: str) -> None:
    assert refused(written(tmp_path, "train.csv", content)) == message


GOOD = '{"text": "x", "label": "a"}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n\n", "tickets.csv: no rows; add some, or remove the file"),
        (
            GOOD + "\n{'text': 'x'}\n",
            "tickets.csv, row 2 (line 3): not valid JSON (Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)); each line must be one JSON object",
        ),
        (
            '[\n{"text": "x", "label": "a"}\n]\n',
            "tickets.csv, line 1: one JSON array of all rows; write each row on a line of its own, without "
            "brackets and commas around the rows: jq -c '.[]' tickets.csv > NEW_FILE",
        ),
        (
            '["x", "a"]\n',
            "tickets.csv, row 1 (line 1): list, not an object; each line must be one JSON object such as "
            '{"text": ..., "label": ...}',
        ),
        (
            GOOD + '{"text": "x", "lable": "a"}\n',
            "tickets.csv, row 2 (line 2): no column 'label' (did you mean 'lable'?); set data.label in "
            "params.yaml to one of: 'text', 'lable'",
        ),
        (
            '{"text": 3, "label": "a"}\n',
            "tickets.csv, row 1 (line 1), column 'text': the text is 3, of type int; it must be a string",
        ),
        (
            '{"text": null, "label": "a"}\n',
            "tickets.csv, row 1 (line 1), column 'text': the text is missing; fill it in or delete the row",
        ),
        (
            '{"text": "x", "label": null}\n',
            "tickets.csv, row 1 (line 1), column 'label': the label is missing; fill it in or delete the row",
        ),
        (
            '{"text": "x", "label": 1.5}\n',
            "tickets.csv, row 1 (line 1), column 'label': the label is 1.5, of type float; it must be a "
            "string, a whole number, or true or false: convert the column",
        ),
        (
            GOOD + '{"text": "x", "label": 1}\n',
            "tickets.csv, row 2 (line 2), column 'label': the label is 1, of type int, but the labels before "
            "it are of type str; give all labels one type",
        ),
        (
            '{"text": "\\ud800", "label": "a"}\n',
            "tickets.csv, row 1 (line 1): it holds half of a surrogate pair (\\ud800 to \\udfff), which is "
            "not a character; write the data anew from their source",
        ),
    ],
)
def test_a_broken_jsonl_is_refused_with_the_place(tmp_path: Path, content: str, message: str) -> None:
    assert refused(written(tmp_path, "train.jsonl", content)) == message


def test_nesting_without_end_is_malformed_too(tmp_path: Path) -> None:
    assert "not valid JSON" in refused(written(tmp_path, "train.jsonl", "[" * 200_000 + "\n"))


def test_a_damaged_parquet_is_refused(tmp_path: Path) -> None:
    message = refused(written(tmp_path, "train.parquet", b"PAR1 no more"))
    assert message.startswith("tickets.csv: not a readable parquet file (")
    assert message.endswith("); write it anew")


def test_a_parquet_row_is_named_without_a_line(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["x", "y"], "label": [1.0, float("nan")]}), tmp_path / "train.parquet")
    assert refused(tmp_path / "train.parquet") == (
        "tickets.csv, row 1, column 'label': the label is 1.0, of type float; it must be a string, a whole "
        "number, or true or false: convert the column"
    )
    pq.write_table(pa.table({"text": ["x"], "label": [float("nan")]}), tmp_path / "train.parquet")
    assert "row 1, column 'label': the label is missing" in refused(tmp_path / "train.parquet")
    assert refused(tmp_path / "train.parquet", text="texts").startswith(
        "tickets.csv: no column 'texts' (did you mean 'text'?)"
    )


def test_a_blank_text_is_refused_where_rows_are_never_dropped(tmp_path: Path) -> None:
    path = written(tmp_path, "test.csv", "text,label\nx,a\n  ,a\n")
    assert [row.text for row in read(path, blank_text=True)] == ["x", "  "]
    assert refused(path, blank_text=False) == (
        "tickets.csv, row 2 (line 3), column 'text': the text is only white space, and rows for validation "
        "and test are never dropped; fill it in or delete the row"
    )


@pytest.mark.parametrize("start", [CHUNK - 3, CHUNK - 2, CHUNK - 1, CHUNK])
def test_a_character_across_two_chunks_is_whole(tmp_path: Path, start: int) -> None:
    head = b"text,label\n"
    path = written(tmp_path, "train.csv", head + b"x" * (start - len(head)) + "€,a\n".encode())
    assert read(path)[0].text.endswith("€")
    cut = written(tmp_path, "train.csv", head + b"x" * (CHUNK - len(head) - 1) + b"\xe2")
    assert f"line 2: byte {CHUNK - 1} (0xe2) is not UTF-8" in refused(cut)


def test_pairs_have_a_second_text_and_one_key_for_both(tmp_path: Path) -> None:
    path = written(tmp_path, "train.csv", "text,other,label\na,b,x\nab,,x\na,c,x\n".replace("ab,,", "ab,d,"))
    rows = read(path, text_pair="other")
    assert [(row.text, row.pair) for row in rows] == [("a", "b"), ("ab", "d"), ("a", "c")]
    assert len({row.key for row in rows}) == 3
    empty = written(tmp_path, "test.csv", "text,other,label\na,,x\n")
    assert refused(empty, text_pair="other") == (
        "tickets.csv, row 1 (line 2), column 'other': the text is missing; fill it in or delete the row"
    )


def test_a_text_can_have_several_labels_or_none(tmp_path: Path) -> None:
    csv = written(tmp_path, "train.csv", "text,label\nx,b; a\ny,\nz,a;a\n")
    rows = read(csv, multi_label=True, label_separator=";")
    assert [separate_labels(row.label) for row in rows] == [("a", "b"), (), ("a",)]
    jsonl = written(
        tmp_path, "train.jsonl", '{"text": "x", "label": ["b", "a"]}\n{"text": "y", "label": []}\n'
    )
    several = [separate_labels(row.label) for row in read(jsonl, multi_label=True)]
    assert several == [("a", "b"), ()]
    wrong = written(tmp_path, "test.jsonl", '{"text": "x", "label": "a,b"}\n')
    assert refused(wrong, multi_label=True) == (
        "tickets.csv, row 1 (line 1), column 'label': the labels are 'a,b', of type str; with "
        'data.multi_label: true they must be a list such as ["a", "b"]'
    )
