from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.data import spool
from tritune.data.facts import facts_of
from tritune.data.rows import RawFile, Row, text_key

FILE = RawFile("train.csv", "train.csv")
TEXT = pa.schema([("text", pa.string())])
TABLE = pa.schema([("id", pa.string()), *TEXT])


def row(number: int, text: str) -> Row:
    return Row(FILE, number, number + 1, text, "a", text_key(text))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=20), st.data())
def test_the_rows_asked_for_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("spool") / "train.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "ROWS_AT_ONCE", 3)
        given_rows = [row(number, text) for number, text in enumerate(texts, 1)]
        kept = spool.spooled(given_rows, path, schema=TEXT, values=lambda one: (one.text,))
        rows = facts_of(kept, FILE)
        wanted = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))), bool)
        columns = spool.spooled_rows(
            rows.only(wanted), path, schema=TABLE, columns=lambda _, read: read.columns
        )
        found = columns.read_all().to_pylist()
    expected = [
        {"id": f"train.csv:{number}", "text": text}
        for number, (text, asked) in enumerate(zip(texts, wanted, strict=True), 1)
        if asked
    ]
    assert found == expected


def test_a_row_passes_before_the_whole_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "ROWS_AT_ONCE", 2)
    read: list[int] = []

    def rows():
        for number in range(1, 7):
            read.append(number)
            yield row(number, "x")

    kept = spool.spooled(rows(), tmp_path / "train.csv", schema=TEXT, values=lambda one: (one.text,))
    next(kept)
    assert read == [1, 2]
