import pytest

from tritune.errors import InputError
from tritune.pipeline.outputs import check_writable, move_into_place, write_provenance


def test_outputs_replace_what_was_there(tmp_path):
    staging, root = tmp_path / "staging", tmp_path / "root"
    (staging / "models/a").mkdir(parents=True)
    (staging / "models/a/new.txt").write_text("new")
    (staging / "score.json").write_text("2")
    (root / "models/a").mkdir(parents=True)
    (root / "models/a/old.txt").write_text("old")
    (root / "score.json").write_text("1")
    move_into_place(["models/a", "score.json"], staging=staging, root=root)
    assert [path.name for path in (root / "models/a").iterdir()] == ["new.txt"]
    assert (root / "score.json").read_text() == "2"


def test_nothing_is_moved_when_an_output_is_missing(tmp_path):
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "a").write_text("new")
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileNotFoundError, match=r"the stage did not write b, which dvc\.yaml declares"):
        move_into_place(["a", "b"], staging=staging, root=tmp_path)
    assert (tmp_path / "a").read_text() == "old"


def test_provenance_has_the_same_bytes_whatever_the_order(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_provenance(tmp_path / "a", stage="s", recorded={"cmd": "c", "deps": [], "params": {"x": 1, "y": 2}})
    write_provenance(tmp_path / "b", stage="s", recorded={"params": {"y": 2, "x": 1}, "deps": [], "cmd": "c"})
    one, other = ((tmp_path / name / "provenance.json").read_bytes() for name in "ab")
    assert one == other


def test_a_folder_that_cannot_be_written_is_named_before_any_work(tmp_path):
    check_writable(["models/a", "b.json"], root=tmp_path)
    (tmp_path / "models").write_text("a file")
    with pytest.raises(InputError, match=r"^models: cannot be written to \(Not a directory\)"):
        check_writable(["models/a"], root=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_a_link_to_nowhere_is_named(tmp_path):
    (tmp_path / "models").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"^models: cannot be written to \(No such file or directory\)"):
        check_writable(["models/a"], root=tmp_path)
