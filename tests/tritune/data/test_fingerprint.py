import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tritune.data.fingerprint import RECORD, source_changed, source_files, source_record
from tritune.errors import InputError

HUB = f"hub:a/b@{'0' * 40}"


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """A raw folder made of tickets.csv."""
    (tmp_path / "tickets.csv").write_text("text,label\nx,a\n")
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / RECORD).write_text(json.dumps(source_record("tickets.csv", root=tmp_path)))
    return raw


def test_an_untouched_source_is_unchanged(fetched: Path) -> None:
    os.utime(fetched.parent / "tickets.csv", (1, 1))
    assert not source_changed("tickets.csv", fetched, root=fetched.parent)


def test_an_edit_is_seen_even_when_size_and_time_stay(fetched: Path) -> None:
    file = fetched.parent / "tickets.csv"
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_text("text,label\ny,a\n")
    os.utime(file, ns=times)
    assert source_changed("tickets.csv", fetched, root=fetched.parent)


def test_an_added_row_is_seen(fetched: Path) -> None:
    with (fetched.parent / "tickets.csv").open("a") as file:
        file.write("y,b\n")
    assert source_changed("tickets.csv", fetched, root=fetched.parent)


def test_a_split_that_came_or_went_is_seen(tmp_path: Path) -> None:
    folder, raw = tmp_path / "data", tmp_path / "raw"
    folder.mkdir()
    raw.mkdir()
    (folder / "train.csv").write_text("a")
    (folder / "dev.csv").write_text("b")
    record = source_record("data", root=tmp_path)
    (raw / RECORD).write_text(json.dumps(record))
    assert {name: entry["becomes"] for name, entry in record["files"].items()} == {
        "train.csv": "train.csv",
        "dev.csv": "validation.csv",
    }
    assert not source_changed("data", raw, root=tmp_path)
    (folder / "test.csv").write_text("c")
    assert source_changed("data", raw, root=tmp_path)
    (folder / "test.csv").unlink()
    (folder / "dev.csv").unlink()
    assert source_changed("data", raw, root=tmp_path)


def test_a_source_that_became_unusable_counts_as_changed(fetched: Path) -> None:
    folder = fetched.parent / "data"
    folder.mkdir()
    assert source_changed("data", fetched, root=fetched.parent)


@pytest.mark.parametrize("source", ["gone.csv", "package:not_installed_here/data", HUB])
def test_a_source_that_cannot_be_compared_is_unchanged(fetched: Path, source: str) -> None:
    assert not source_changed(source, fetched, root=fetched.parent)


def test_nothing_fetched_yet_is_left_to_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").touch()
    assert not source_changed("tickets.csv", tmp_path / "raw", root=tmp_path)
    for damaged in ("{}", "[]", "{"):
        (tmp_path / RECORD).write_text(damaged)
        assert not source_changed("tickets.csv", tmp_path, root=tmp_path)
    assert not source_changed("tickets.csv", tmp_path / RECORD / "raw", root=tmp_path)


def test_a_source_that_is_not_there_may_be_the_hub_s(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"'a/b': no such file or folder; if you mean the hub's, write hub:a/b@"
    ):
        source_files("a/b", root=tmp_path)


def test_the_record_holds_no_path(fetched: Path) -> None:
    assert str(fetched.parent) not in (fetched / RECORD).read_text()
    assert source_record(str(fetched.parent / "tickets.csv"), root=Path()) == json.loads(
        (fetched / RECORD).read_text()
    )


def test_a_hub_source_has_no_local_files(tmp_path: Path) -> None:
    assert source_files(HUB, root=tmp_path) == []
    assert source_record(HUB, root=tmp_path) == {"files": {}}


def test_asking_imports_nothing_heavy() -> None:
    code = (
        "import sys, tritune.data.fingerprint, tritune.models.source; "
        "print(sorted({'torch', 'transformers', 'datasets', 'pyarrow', 'huggingface_hub'} & "
        "set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
