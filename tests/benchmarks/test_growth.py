import csv
from pathlib import Path

import pytest

from benchmarks.growth import main, page, write_csv


def test_the_texts_have_the_rows_and_about_the_lengths_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    write_csv(path, rows=2000, words=12, vocabulary=[f"word{letter}" for letter in "abcdefghij"])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lengths = sorted(len(row["text"].split()) for row in rows)
    assert len(rows) == 2000
    assert 10 <= lengths[1000] <= 13
    assert lengths[-1] > 5 * lengths[1000]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "0"], "error: --rows and --words must be at least 1\n"),
        (["--most-words", "5"], "error: --most-words 5 leaves out every size; raise it\n"),
    ],
)
def test_sizes_that_can_t_be_are_refused(monkeypatch, capsys, arguments: list[str], message: str) -> None:
    monkeypatch.setattr("sys.argv", ["growth", *arguments])
    assert main() == 2
    assert capsys.readouterr().err == message


def test_some_texts_come_again(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    write_csv(path, rows=2000, words=30, vocabulary=[f"word{letter}" for letter in "abcdefghij"])
    texts = [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()[1:]]
    assert 20 <= len(texts) - len(set(texts)) <= 60


def test_the_page_tells_time_a_row_and_memory() -> None:
    stage = {
        "seconds": 2.5,
        "processor_seconds": 4.0,
        "peak_bytes": 300 * 2**20,
        "bytes_at_first": 80 * 2**20,
    }
    run = {"rows": 100_000, "words": 12, "csv_bytes": 9 * 2**20}
    run |= {"stages": {"ingest": stage, "tokenize": stage, "prepare": stage}}
    text = page({"runs": [run], "max_length": 128, "machine": {"processor": "x86_64", "cores": 2}})
    assert "| 100,000 | 9.0 | 2.50 | 4.00 | 40.0 | 300 | 80 |" in text
    assert text.count("## ") == 3
