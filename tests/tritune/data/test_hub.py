import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.data.hub import download_splits
from tritune.errors import InputError

COMMIT = "0" * 40
SOURCE = f"hub:a/b@{COMMIT}"
Serve = Callable[..., None]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the library is given in place of the repository a/b, with a cache of its own."""
    folder = tmp_path / "repository"
    folder.mkdir()
    load = datasets.load_dataset_builder

    def from_folder(path: str, name: str | None, revision: str) -> Any:
        assert (path, revision) == ("a/b", COMMIT)
        return load(str(folder), name=name, cache_dir=str(tmp_path / "cache"))

    monkeypatch.setattr(datasets, "load_dataset_builder", from_folder)
    return folder


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> str:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset_builder", fail)
    return refused()


def refused(source: str = SOURCE) -> str:
    with pytest.raises(InputError) as caught:
        download_splits(source)
    return str(caught.value)


def test_splits_come_as_plain_tables_under_our_names(repository: Path) -> None:
    for split, texts in {"train": ["x", "y"], "test": ["z"], "unsupervised": ["u"]}.items():
        lines = [json.dumps({"text": text, "label": "a"}) for text in texts]
        (repository / f"{split}.jsonl").write_text("\n".join(lines))
    (repository / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n"
        + "".join(f"  - split: {s}\n    path: {s}.jsonl\n" for s in ("train", "test", "unsupervised"))
        + "---\n"
    )
    found = download_splits(SOURCE)
    assert {split: table.to_pydict() for split, table in found.tables.items()} == {
        "train": {"text": ["x", "y"], "label": ["a", "a"]},
        "test": {"text": ["z"], "label": ["a"]},
    }
    assert found.ignored == ["unsupervised"]
    assert all(table.schema.metadata is None for table in found.tables.values())


def test_class_numbers_become_names_and_withheld_labels_are_missing(repository: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    rows = {"text": ["x", "y", "z"], "label": [1, 0, -1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(repository / "train.parquet")
    assert download_splits(SOURCE).tables["train"].to_pydict() == {
        "text": ["x", "y", "z"],
        "label": ["yes", "no", None],
    }


def test_lists_of_class_numbers_become_lists_of_names(repository: Path) -> None:
    tags = datasets.ClassLabel(names=["O", "B-x"])
    features = datasets.Features(
        {"tokens": datasets.List(datasets.Value("string")), "ner_tags": datasets.List(tags)}
    )
    rows = {"tokens": [["ada", "is"], [], None], "ner_tags": [[1, 0], [], None]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(repository / "train.parquet")
    assert download_splits(SOURCE).tables["train"].to_pydict()["ner_tags"] == [["B-x", "O"], [], None]


def test_another_kind_of_files_is_refused(repository: Path) -> None:
    (repository / "train.txt").write_text("x\n")
    assert refused() == "data.source: a/b is made of text files; only parquet, csv, json are read"


def test_a_data_set_without_training_split_is_refused(repository: Path) -> None:
    pq.write_table(pa.table({"text": ["x"]}), repository / "test.parquet")
    assert refused() == "data.source: a/b has no split called train; it has test"


def test_two_splits_for_one_purpose_are_refused(repository: Path) -> None:
    for name in ("train", "dev", "eval"):
        pq.write_table(pa.table({"text": ["x"]}), repository / f"{name}.parquet")
    (repository / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n"
        + "".join(f"  - split: {s}\n    path: {s}.parquet\n" for s in ("train", "dev", "eval"))
        + "---\n"
    )
    assert refused() == (
        "data.source: a/b has the splits dev and eval, and both could be validation; download it, and name a "
        "folder with one file a split"
    )


def test_an_unknown_configuration_is_refused_with_the_known_ones(repository: Path) -> None:
    (repository / "README.md").write_text(
        "---\nconfigs:\n- config_name: en\n  data_files: en.csv\n- config_name: de\n  data_files: "
        "de.csv\n---\n"
    )
    for name in ("en", "de"):
        (repository / f"{name}.csv").write_text(f"text,label\n{name},a\n")
    message = refused()
    assert message.startswith(f"data.source: {SOURCE}: Config name is missing.")
    assert "'en'" in message
    assert message.endswith("A configuration is named in the address: hub:OWNER/NAME/CONFIG@REVISION")
    assert download_splits(f"hub:a/b/de@{COMMIT}").tables["train"].to_pydict()["text"] == ["de"]


def test_a_data_set_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    error = datasets.exceptions.DatasetNotFoundError(
        "Dataset 'a/b' doesn't exist on the Hub or cannot be accessed."
    )
    assert failing(monkeypatch, error) == (
        "data.source: Dataset 'a/b' doesn't exist on the Hub or cannot be accessed. Check the spelling and "
        "the revision, or log in with `hf auth login`"
    )


def test_a_data_set_with_a_script_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("Dataset scripts are no longer supported, but found b.py")
    assert failing(monkeypatch, error).startswith(
        f"data.source: {SOURCE}: Dataset scripts are no longer supported"
    )


def test_no_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(monkeypatch, ConnectionError("Couldn't reach 'a/b' on the Hub (offline)")) == (
        "data.source: the hub cannot be reached, and a/b is not in the local cache; connect, or download it "
        "elsewhere and name the folder"
    )
