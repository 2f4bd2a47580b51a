import re
from importlib import metadata

import pytest

from tritune.errors import InputError
from tritune.versions import check_versions, installed_versions, main, write_versions


def test_the_file_names_what_is_installed_and_is_left_alone_when_it_does(tmp_path):
    assert write_versions(tmp_path)
    text = (tmp_path / "versions.yaml").read_text()
    for package in ("tokenizers", "torch", "transformers"):
        assert f"\n{package}: {metadata.version(package)}\n" in text
    changed = (tmp_path / "versions.yaml").stat().st_mtime_ns
    assert not write_versions(tmp_path)
    assert (tmp_path / "versions.yaml").stat().st_mtime_ns == changed


def test_the_build_tag_counts(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda _: "2.13.0+cpu")
    check_versions({"torch": "2.13.0+cpu"})
    message = (
        "versions.yaml names torch 2.13.0 (installed: 2.13.0+cpu); a result would be recorded under a "
        "version that did not make it. Install what the file names, or take over what is installed with "
        "`python -m tritune.versions` (the stages that use it then run again)"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_versions({"torch": "2.13.0"})


def test_a_package_that_is_not_installed():
    with pytest.raises(InputError, match=r"^no-such-package is not installed for .*make setup"):
        installed_versions(["no-such-package"])


def test_the_command_says_what_it_did(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main() == 0
    assert main() == 0
    assert capsys.readouterr().out == "versions.yaml written\nversions.yaml is up to date\n"
