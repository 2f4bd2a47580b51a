import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.errors import InputError
from tritune.given import Given, file_rows, stream_rows


def read(path: Path, column: str = "text") -> list[Given]:
    return list(file_rows(path, columns={"text": column}))


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_with_quotes_line_breaks_and_a_byte_order_mark(tmp_path):
    path = write(tmp_path, "a.csv", '\ufefftext,label\r\n"one, two",x\r\n\r\n"a ""b""\r\nc",y\r\n')
    assert read(path) == [Given(1, {"text": "one, two"}), Given(2, {"text": 'a "b"\r\nc'})]


def test_tsv(tmp_path):
    assert read(write(tmp_path, "a.tsv", "n\tmessage\n1\thello, you\n"), "message") == [
        Given(1, {"text": "hello, you"})
    ]


def test_jsonl_and_its_ids(tmp_path):
    path = write(
        tmp_path, "a.jsonl", '{"id": "k1", "text": "été"}\n\n{"id": 7, "text": "b"}\n{"text": "c"}\n'
    )
    assert read(path) == [Given("k1", {"text": "été"}), Given(7, {"text": "b"}), Given(4, {"text": "c"})]


def test_a_column_called_id_names_the_rows_of_a_csv(tmp_path):
    assert read(write(tmp_path, "a.csv", "id,text\nk1,a\n,b\n")) == [
        Given("k1", {"text": "a"}),
        Given(2, {"text": "b"}),
    ]


def test_parquet(tmp_path):
    pq.write_table(pa.table({"id": ["x", "y"], "text": ["a", "b"]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [Given("x", {"text": "a"}), Given("y", {"text": "b"})]


def test_a_txt_has_a_text_a_line(tmp_path):
    assert read(write(tmp_path, "a.txt", "one\n\n two \n")) == [
        Given(1, {"text": "one"}),
        Given(3, {"text": " two "}),
    ]


def test_a_stream_has_a_text_a_line_unless_its_first_line_is_an_object():
    assert list(stream_rows([b"\n", b"hello {\n", b"you"], columns={"text": "text"})) == [
        Given(2, {"text": "hello {"}),
        Given(3, {"text": "you"}),
    ]
    lines = [b"\n", b'{"text": "a"}\n', b'{"text": "b"}\n']
    assert list(stream_rows(lines, columns={"text": "text"})) == [
        Given(2, {"text": "a"}),
        Given(3, {"text": "b"}),
    ]
    assert list(stream_rows([b'"a string"\n'], columns={"text": "text"})) == [
        Given(1, {"text": '"a string"'})
    ]
    assert list(stream_rows([], columns={"text": "text"})) == []


def test_a_large_file_is_read_a_row_at_a_time(tmp_path):
    content = "text\n" + "".join(f"row {index}\n" for index in range(1000)) + "one,too many\n"
    texts = file_rows(write(tmp_path, "a.csv", content), columns={"text": "text"})
    assert next(texts) == Given(1, {"text": "row 0"})  # the broken last row has not been met


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "message,label\na,b\n",
            "a.csv: no column 'text'; give --text one of: 'message', 'label'",
        ),
        ("a.csv", "Text,label\na,b\n", "a.csv: no column 'text' (did you mean 'Text'?); give --text"),
        ("a.csv", "text,text\na,b\n", "a.csv: 2 columns are called 'text'; rename all but one"),
        ("a.csv", "text,n\na\n", "a.csv, row 1 (ends in line 2): 1 fields, but the header names 2;"),
        ("a.csv", 'text\n"a\n', "broken quotes (unexpected end of data); a field that begins"),
        ("a.csv", "text,n\na,1\n ,2\n", "a.csv, row 2 (ends in line 3), column 'text': the text is empty;"),
        ("a.csv", b"text\ngr\xfcn\n", "a.csv, line 2: byte 0xfc is not UTF-8; save the file as UTF-8"),
        ("a.csv", "text\n".encode("utf-16"), "a.csv: the file is UTF-16, not UTF-8"),
        ("a.jsonl", "{\n", "a.jsonl, line 1: not valid JSON"),
        ("a.jsonl", "[1]\n", "a.jsonl, line 1: list, not an object; each line must be one JSON object"),
        ("a.jsonl", '{"t": 1}\n', "a.jsonl, line 1: no column 'text'"),
        ("a.jsonl", '{"text": 5}\n', "a.jsonl, line 1, column 'text': the text is 5, not a string;"),
        ("a.jsonl", '{"text": null}\n', "the text is missing; fill it in or delete the row"),
        ("a.jsonl", json.dumps({"text": "\ud800"}), "it holds half of a surrogate pair"),
        ("a.parquet", "no", "a.parquet: not a readable parquet file"),
        ("a.xlsx", "", "--input: a.xlsx: only .csv, .tsv, .jsonl, .parquet, .txt are read; convert it"),
    ],
)
def test_bad_input_is_named_with_its_place(tmp_path, name, content, message):
    with pytest.raises(InputError) as error:
        read(write(tmp_path, name, content))
    assert message in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"--input: .*absent\.csv: there is no such file"):
        read(tmp_path / "absent.csv")
    with pytest.raises(InputError, match=r"--input: .*: is a folder; name a file in it"):
        read(tmp_path)


def test_a_parquet_without_the_column_is_named(tmp_path):
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: no column 'text'; give --text one of: 'a'"):
        read(tmp_path / "a.parquet")
