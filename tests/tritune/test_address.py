from pathlib import Path

import pytest

from tritune.address import HubAddress, hub_address, hub_problems, on_disk, remote_hint
from tritune.errors import InputError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def refused(source: str, *, key: str = "model.source", with_config: bool = False) -> str:
    def read() -> object:
        if source.startswith("hub:"):
            return hub_address(source, key=key, with_config=with_config)
        return on_disk(source, root=Path(), key=key)

    with pytest.raises(InputError) as caught:
        read()
    return str(caught.value)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that would fail if it were imported."""
    folder = tmp_path / "heavy_package"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    (tmp_path / "one_module.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_package_s_folder_is_found_without_importing_it(package: Path) -> None:
    assert on_disk("package:heavy_package/data", root=Path(), key="k") == package / "data"
    assert on_disk("package:heavy_package", root=Path(), key="k") == package


def test_a_local_path_is_relative_to_the_project(tmp_path: Path) -> None:
    assert on_disk("data/x.csv", root=tmp_path, key="k") == tmp_path / "data/x.csv"
    assert on_disk("/data/x.csv", root=tmp_path, key="k") == Path("/data/x.csv")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "package:not-here/data",
            "model.source: 'package:not-here/data' must be written package:NAME/PATH, NAME as in Python's "
            "`import NAME`; did you mean package:not_here/data?",
        ),
        (
            "package:not_here/data",
            "model.source: no installed package has the import name 'not_here'; install it into this "
            "environment or change model.source in params.yaml",
        ),
        (
            "package:one_module/data",
            "model.source: one_module is a single module and has no files inside; name a package with a "
            "folder",
        ),
        (
            "package:heavy_package/model",
            "model.source: the package heavy_package has no 'model'; folders directly inside it: data",
        ),
        (
            "package:heavy_package/../other",
            "model.source: 'package:heavy_package/../other' leaves the package's folder; name a path inside "
            "it, without `..`",
        ),
        (
            "package:heavy_package//etc",
            "model.source: 'package:heavy_package//etc' leaves the package's folder; name a path inside it, "
            "without `..`",
        ),
    ],
)
def test_a_package_address_that_leads_nowhere_is_refused(source: str, message: str) -> None:
    assert refused(source) == message


def test_a_link_out_of_the_package_is_refused(package: Path) -> None:
    (package / "out").symlink_to("/")
    assert "leaves the package's folder" in refused("package:heavy_package/out")


@pytest.mark.parametrize(
    "source", ["data/raw", "./data/raw/train.csv", "data/../base", "my/../models/selected"]
)
def test_a_source_that_the_pipeline_would_empty_is_refused(source: str) -> None:
    message = refused(source)
    assert message.startswith(f"model.source: {source!r} lies in ")
    assert message.endswith(
        ", which the pipeline itself empties and writes; copy it to another folder, for example my_model, "
        "and name that"
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("a" * 300, "File name too long"),
        ("a\0b", "embedded null byte"),
        ("~nobody_of_that_name/x", "Could not determine home directory"),
    ],
)
def test_what_cannot_be_a_path_is_refused(source: str, reason: str) -> None:
    assert refused(source) == f"model.source: {source!r:.80} cannot be a path ({reason}); correct it"


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("google-bert/bert-base-uncased", "hub:google-bert/bert-base-uncased@REVISION, with the hash of a"),
        (
            "https://huggingface.co/datasets/stanfordnlp/imdb/tree/main",
            "write hub:stanfordnlp/imdb@REVISION,",
        ),
        ("bert-base-uncased", "write hub:OWNER/bert-base-uncased@REVISION,"),
        (
            "https://example.org/a.csv",
            "; web addresses are not read: download it, and name the file or folder",
        ),
    ],
)
def test_a_name_of_the_hub_or_an_address_of_the_web_is_recognised(source: str, hint: str) -> None:
    assert hint in remote_hint(source)


@pytest.mark.parametrize("source", ["rows.csv", "my/rows.jsonl", "a/b/c", "../x", "~/x", "a b", ""])
def test_a_local_path_gets_no_such_hint(source: str) -> None:
    assert remote_hint(source) == ""


def test_an_absolute_path_or_a_link_into_the_pipeline_s_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data" / "raw")
    for source in (str(tmp_path / "data/raw"), "link"):
        with pytest.raises(InputError, match="lies in data/raw"):
            on_disk(source, root=tmp_path, key="k")
    assert on_disk("data/raw_tickets", root=tmp_path, key="k") == tmp_path / "data/raw_tickets"


def test_what_the_hub_s_client_cannot_do_is_said_in_its_first_line() -> None:
    from huggingface_hub.errors import HfHubHTTPError

    def fail() -> None:
        with hub_problems(f"hub:a/b@{COMMIT}", key="model.source"):
            raise HfHubHTTPError.__bases__[0]("500 Server Error\nRequest ID: 7")

    with pytest.raises(InputError) as caught:
        fail()
    assert (
        str(caught.value) == "model.source: the hub failed to deliver a/b: 500 Server Error; try again later"
    )


def test_a_hub_address_has_repository_commit_and_for_data_a_configuration() -> None:
    assert hub_address(f"hub:a-1/b.c_d@{COMMIT}", key="k") == HubAddress("a-1/b.c_d", None, COMMIT)
    assert hub_address(f"hub:a/b/c@{COMMIT}", key="k", with_config=True) == HubAddress("a/b", "c", COMMIT)


@pytest.mark.parametrize("source", [f"hub:b@{COMMIT}", f"hub:a/b/c@{COMMIT}", f"hub:a/../b@{COMMIT}", "hub:"])
def test_a_malformed_hub_address_is_refused(source: str) -> None:
    assert refused(source) == (
        f"model.source: {source!r} must be written hub:OWNER/NAME@REVISION, for example "
        "hub:google-bert/bert-base-uncased@COMMIT"
    )


def test_a_malformed_data_address_is_refused() -> None:
    assert refused("hub:a", key="data.source", with_config=True) == (
        "data.source: 'hub:a' must be written hub:OWNER/NAME@REVISION or hub:OWNER/NAME/CONFIG@REVISION, for "
        "example hub:stanfordnlp/imdb@COMMIT"
    )


def test_a_revision_that_can_move_is_refused() -> None:
    why = (
        " a commit hash of 40 hex digits. Branches and tags can move, and the same settings would then give "
        "another result. Copy the hash of the newest commit from https://huggingface.co/"
    )
    assert refused("hub:a/b@main") == f"model.source: 'hub:a/b@main': 'main' is not{why}a/b/commits/main"
    assert refused("hub:a/b", key="data.source", with_config=True) == (
        f"data.source: 'hub:a/b': it has no revision, and needs{why}datasets/a/b/commits/main"
    )
