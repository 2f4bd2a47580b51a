from pathlib import Path

from tritune.data.rows import RawFile
from tritune.settings.data import DataSettings
from tritune.task.named_entity_recognition.rows import ingest


def test_words_and_tags_are_written_as_they_stand_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    files = {}
    for split, content in {
        "train": "ada B-x\n😀 I-x\n\nin O\noslo B-y\n\nbob B-x\n\nrome B-y\n",
        "validation": "eve I-x\n\nI O\n\nI O\n",
        "test": "x O\n",
    }.items():
        path = tmp_path / f"{split}.conll"
        path.write_text(content)
        files[split] = (path, RawFile(path.name, path.name))
    data = ingest(files, DataSettings(source="a"), spool=tmp_path / "spool")
    tables = {split: table.read_all() for split, table in data.tables.items()}
    assert data.labels == ["O", "B-x", "B-y", "I-x", "I-y"]
    assert tables["train"].to_pylist()[0] == {
        "id": "train.conll:1",
        "tokens": ["ada", "😀"],
        "tags": ["B-x", "I-x"],
    }
    assert [row["tags"] for row in tables["validation"].to_pylist()] == [["I-x"], ["O"], ["O"]]
    assert data.profile["splits"]["validation"]["malformed_transitions"] == 1
    assert data.profile["noticed_and_kept"]["validation"]["repeated"]["rows"] == 1
