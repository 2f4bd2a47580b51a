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
            "object a line and call it .jsonl (a .json file must have SQuAD's form)",
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


def test_squad_s_own_files_are_read_and_their_versions_say_nothing(tmp_path: Path) -> None:
    content = '\ufeff {"version": "v2.0", "data": [{"title": "a", "paragraphs": []}]}'
    for name in ("train-v2.0.json", "dev-v2.0.json", "test_v1.json"):
        (tmp_path / name).write_text(content, encoding="utf-8")
    folder_of(tmp_path, "dataset_infos.json")
    found = split_files(tmp_path, source="a")
    assert {split: file.name for split, file in found.items()} == {
        "train": "train-v2.0.json",
        "validation": "dev-v2.0.json",
        "test": "test_v1.json",
    }
    assert split_files(tmp_path / "dev-v2.0.json", source="a") == {"train": tmp_path / "dev-v2.0.json"}


def test_another_json_file_is_refused_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text('[{"paragraphs": 1}]')
    assert refused(tmp_path) == (
        "data.source: 'my/data': train.json: only .csv, .tsv, .jsonl, .parquet are read; write one JSON "
        "object a line and call it .jsonl (a .json file must have SQuAD's form)"
    )


def test_files_with_a_word_a_line_are_read_and_other_texts_are_not(tmp_path: Path) -> None:
    for name in ("train.txt", "dev.conll", "SOURCE.txt"):
        (tmp_path / name).write_text("-DOCSTART- O\n\nAda B-x\nLovelace\tI-x\n\nis O\n")
    found = split_files(tmp_path, source="a")
    assert {split: file.name for split, file in found.items()} == {
        "train": "train.txt",
        "validation": "dev.conll",
    }
    (tmp_path / "train.txt").write_text("Ada is here.\nO\n")
    assert refused(tmp_path) == (
        "data.source: 'my/data': train.txt: only .csv, .tsv, .jsonl, .parquet are read; save it with named "
        "columns, as .csv or .tsv (a .txt may hold a word and its tag a line)"
    )


def test_a_tagged_file_of_no_split_is_refused_rather_than_passed_over(tmp_path: Path) -> None:
    assert refused(folder_of(tmp_path, "train.conll", "more.conll")).startswith(
        "data.source: 'my/data': cannot tell which split more.conll is"
    )
