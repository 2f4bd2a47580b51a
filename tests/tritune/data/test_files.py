from pathlib import Path

import pytest

from tritune.data.files import conversation_files, split_files
from tritune.errors import InputError


def folder_of(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).touch()
    return path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        split_files(path, source="my/data")
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "test.jsonl", "a.parquet"])
def test_a_single_file_is_the_training_split(tmp_path: Path, name: str) -> None:
    folder_of(tmp_path, name)
    assert split_files(tmp_path / name, source="a") == {"train": tmp_path / name}


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev", "eval", "Dev"])
def test_the_validation_split_has_many_names(tmp_path: Path, name: str) -> None:
    folder_of(tmp_path, "train.csv", "test.jsonl", f"{name}.tsv", "README.md", "LICENSE", ".hidden.csv")
    found = split_files(tmp_path, source="a")
    assert {split: file.name for split, file in found.items()} == {
        "train": "train.csv",
        "validation": f"{name}.tsv",
        "test": "test.jsonl",
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["train.csv", "extra.csv"],
            "data.source: 'my/data': cannot tell which split extra.csv is; call the files train, validation "
            "(or valid, val, dev, eval) and test, or name one file instead of the folder",
        ),
        (
            ["train.csv", "dev.csv", "val.jsonl"],
            "data.source: 'my/data': dev.csv and val.jsonl both claim to be the validation split; move one "
            "of them away",
        ),
        (
            ["test.csv"],
            "data.source: 'my/data': only test.csv in this folder; it needs a file train.csv, train.tsv, "
            "train.jsonl or train.parquet",
        ),
        (
            ["README.md"],
            "data.source: 'my/data': no data file in this folder; it needs a file train.csv, train.tsv, "
            "train.jsonl or train.parquet",
        ),
        (
            ["train.json"],
            "data.source: 'my/data': train.json: only .csv, .tsv, .jsonl, .parquet are read; write one JSON "
            "object a line and call it .jsonl",
        ),
    ],
)
def test_a_folder_that_is_unclear_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    assert refused(folder_of(tmp_path, *names)) == message


def test_a_packed_split_is_refused(tmp_path: Path) -> None:
    assert "cannot tell which split train.csv.gz is" in refused(folder_of(tmp_path, "train.csv.gz"))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    assert refused(folder_of(tmp_path, "a.xlsx") / "a.xlsx") == (
        "data.source: 'my/data': a.xlsx: only .csv, .tsv, .jsonl, .parquet are read; save it as CSV UTF-8"
    )


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone") == (
        "data.source: 'my/data': no such file or folder. Give a file (csv, tsv, jsonl, parquet), a folder "
        "with one file a split (both relative to params.yaml), hub:OWNER/NAME@REVISION, or "
        "package:NAME/FOLDER"
    )


def test_yaml_files_are_a_corpus_unless_data_files_are_there(tmp_path: Path) -> None:
    folder_of(tmp_path, "b.yml", "a.yaml", "README.md")
    assert [file.name for file in conversation_files(tmp_path)] == ["a.yaml", "b.yml"]
    assert conversation_files(folder_of(tmp_path, "train.csv")) == []
    assert conversation_files(tmp_path / "b.yml") == []
