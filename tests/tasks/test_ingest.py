import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tasks.ingest
from tritune.errors import InputError
from tritune.pipeline.context import StageContext

ROWS = "".join(f'"text {i}, of {label}",{label}\n' for i in range(30) for label in "ab")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/train.csv").write_text("text,label\n" + ROWS)
    record = {"files": {"tickets.csv": {"becomes": "train.csv", "bytes": 0, "sha256": ""}}}
    (tmp_path / "data/raw/source.json").write_text(json.dumps(record))
    return tmp_path


def ingest(scratch: str = "scratch", **data: Any) -> Path:
    ctx = StageContext(
        stage="ingest",
        item={},
        params={"task": "text_classification", "data": {"source": "tickets.csv", **data}},
        inputs={"data/raw": Path("data/raw")},
        outputs=("data/ingested",),
        scratch=Path(scratch),
    )
    tasks.ingest.run(ctx)
    return Path(scratch) / "outputs/data/ingested"


def test_each_split_is_one_table_of_id_text_and_label() -> None:
    out = ingest()
    tables = {split: pq.read_table(out / f"{split}.parquet") for split in ("train", "validation", "test")}
    for table in tables.values():
        assert [(field.name, str(field.type)) for field in table.schema] == [
            ("id", "string"),
            ("text", "string"),
            ("label", "string"),
        ]
    ids = [i for table in tables.values() for i in table.column("id").to_pylist()]
    assert sorted(ids) == sorted(f"train.csv:{i}" for i in range(1, 61))
    first = tables["train"].to_pylist()[0]
    row = int(first["id"].split(":")[1])
    assert first["text"] == f"text {(row - 1) // 2}, of {'ab'[(row - 1) % 2]}"
    assert json.loads((out / "labels.json").read_text()) == ["a", "b"]


def test_the_profile_adds_up() -> None:
    profile = json.loads((ingest() / "profile.json").read_text())
    assert profile["task"] == "text_classification"
    assert sum(split["rows"] for split in profile["splits"].values()) == 60
    assert profile["splits_cut_from_train"] == ["validation", "test"]


def test_two_runs_write_the_same_bytes() -> None:
    def digests(folder: Path) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    first = digests(ingest("one"))
    assert digests(ingest("two")) == first
    assert set(first) == {
        "train.parquet",
        "validation.parquet",
        "test.parquet",
        "labels.json",
        "profile.json",
    }


def test_given_splits_of_other_formats_are_used(project: Path) -> None:
    (project / "data/raw/test.jsonl").write_text('{"text": "new", "label": "a"}\n')
    (project / "data/raw/validation.tsv").write_text("text\tlabel\nother\tb\n")
    out = ingest()
    assert pq.read_table(out / "test.parquet").to_pylist() == [
        {"id": "test.jsonl:1", "text": "new", "label": "a"}
    ]
    assert pq.read_table(out / "train.parquet").num_rows == 60


def test_the_bytes_do_not_depend_on_how_a_table_is_cut(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference is pyarrow's own writing of the whole table; pages are small, so that there are many."""
    monkeypatch.setattr(tasks.ingest, "ROW_GROUP", 5000)
    table = pa.table({"text": [f"{number}-" * 200 for number in range(12_000)]})
    pq.write_table(table, project / "whole.parquet", row_group_size=5000, compression="zstd")
    for rows in (700, 4999, 12_000):
        tasks.ingest.write_parquet(project / "cut.parquet", table.to_reader(max_chunksize=rows))
        assert (project / "cut.parquet").read_bytes() == (project / "whole.parquet").read_bytes()


def test_an_error_names_the_user_s_own_file(project: Path) -> None:
    with (project / "data/raw/train.csv").open("a") as file:
        file.write("no label,\n")
    with pytest.raises(InputError) as caught:
        ingest()
    assert str(caught.value) == (
        "tickets.csv, row 61 (line 62), column 'label': the label is missing; fill it in or delete the row"
    )
    assert not (project / "scratch/outputs").exists()


def test_blank_texts_are_dropped_from_training_rows_but_refused_in_a_given_test_split(project: Path) -> None:
    with (project / "data/raw/train.csv").open("a") as file:
        file.write("  ,a\n")
    assert json.loads((ingest() / "profile.json").read_text())["dropped"]["train"]["blank_text"]["rows"] == 1
    (project / "data/raw/test.csv").write_text("text,label\nx,a\n ,a\n")
    with pytest.raises(InputError) as caught:
        ingest()
    assert str(caught.value).startswith(
        "test.csv, row 2 (line 3), column 'text': the text is only white space"
    )


def test_awkward_texts_reach_the_table_unharmed(project: Path) -> None:
    texts = ['"quoted"', "two\nlines", "nul \0", "🙂", "a\r\nb", " edges ", "x" * 200_000]
    lines = [json.dumps({"text": text, "label": "a"}) for text in texts]
    (project / "data/raw/test.jsonl").write_text("\n".join(lines))
    assert pq.read_table(ingest() / "test.parquet").column("text").to_pylist() == texts


def test_ingest_needs_no_torch() -> None:
    code = (
        "import sys, tasks.ingest; "
        "print(sorted({'torch', 'transformers', 'datasets', 'huggingface_hub'} & set(sys.modules)))"
    )
    root = Path(tasks.ingest.__file__).parents[1]
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert out.stdout.strip() == "[]"
