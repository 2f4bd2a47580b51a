"""What `base` is made of, and whether that changed since."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from tritune.errors import InputError
from tritune.models.base import base_changed, check_base, is_made_of, locate_base, write_base
from tritune.settings.model import ModelSettings

SPEC = importlib.util.spec_from_file_location("gguf_files", Path(__file__).with_name("gguf_files.py"))
gguf_files = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(gguf_files)

HUB = f"hub:someone/model@{'0' * 40}"


@pytest.fixture
def project(tmp_path, tiny_base) -> Path:
    """A project's folder with a GGUF file and two copies of a BERT."""
    gguf_files.write_gguf(tmp_path / "tiny.gguf", gguf_files.llama())
    shutil.copytree(tiny_base, tmp_path / "reader")
    shutil.copytree(tiny_base, tmp_path / "writer")
    return tmp_path


GGUF = ModelSettings(source="tiny.gguf")
PAIR = ModelSettings(source="reader", decoder="writer")
COPY = ModelSettings(source="reader")


def made(settings: ModelSettings, project: Path) -> Path:
    base = project / "base"
    base.mkdir()
    write_base(locate_base(settings, root=project), base)
    return base


@pytest.mark.parametrize(("settings", "kind"), [(GGUF, "llama"), (PAIR, "encoder-decoder"), (COPY, "bert")])
def test_the_base_is_what_the_settings_say(project, settings, kind):
    base = made(settings, project)
    assert json.loads((base / "config.json").read_text())["model_type"] == kind
    assert (base / "source.json").is_file() == (settings is not COPY)
    assert not base_changed(settings, base, root=project)


def test_the_record_holds_names_and_contents_and_no_path(project):
    record = json.loads((made(PAIR, project) / "source.json").read_text())
    assert sorted(record) == ["model.decoder", "model.source"]
    assert sorted(record["model.source"]) == [
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    ]
    assert {len(file["sha256"]) for file in record["model.decoder"].values()} == {64}
    assert str(project) not in json.dumps(record)


def test_another_gguf_file_under_the_same_name_is_noticed(project):
    base = made(GGUF, project)
    found = locate_base(GGUF, root=project)
    assert is_made_of(base, found)
    content = bytearray((project / "tiny.gguf").read_bytes())
    content[-1] ^= 1
    (project / "tiny.gguf").write_bytes(content)
    assert base_changed(GGUF, base, root=project)
    assert not is_made_of(base, found)


@pytest.mark.parametrize("half", ["reader", "writer"])
def test_a_change_in_either_half_of_a_pair_is_noticed(project, half):
    base = made(PAIR, project)
    config = project / half / "config.json"
    config.write_text(config.read_text().replace("0.1", "0.2"))
    assert base_changed(PAIR, base, root=project)


@pytest.mark.parametrize("settings", [GGUF, PAIR])
def test_what_is_gone_or_was_never_fetched_is_no_change(project, settings):
    assert not base_changed(settings, project / "base", root=project)
    base = made(settings, project)
    (project / "tiny.gguf").unlink()
    shutil.rmtree(project / "writer")
    assert not base_changed(settings, base, root=project)


@pytest.mark.parametrize("settings", [GGUF, PAIR])
def test_a_source_that_became_unusable_counts_as_changed(project, settings):
    base = made(settings, project)
    (project / "tiny.gguf").write_bytes(b"no model")
    (project / "writer/config.json").write_text("{")
    assert base_changed(settings, base, root=project)


def test_a_base_from_the_hub_is_at_a_commit(project):
    base = made(PAIR, project)
    assert not base_changed(ModelSettings(source="reader", decoder=HUB), base, root=project)


def test_a_copied_base_was_made_of_nothing_else(project):
    base = made(COPY, project)
    assert not is_made_of(base, locate_base(GGUF, root=project))


def refusal(settings: ModelSettings, project: Path) -> str:
    with pytest.raises(InputError) as caught:
        check_base(settings, root=project)
    return str(caught.value)


def test_what_is_wrong_is_found_before_anything_runs(project):
    for settings in (
        GGUF,
        PAIR,
        COPY,
        ModelSettings(source=HUB),
        ModelSettings(source="reader", decoder=HUB),
    ):
        check_base(settings, root=project)
    assert refusal(ModelSettings(source="gone.gguf"), project) == (
        "model.source: 'gone.gguf': no such file. A model is a folder or a .gguf file (relative to "
        "params.yaml), hub:OWNER/NAME@REVISION, or package:NAME/PATH"
    )
    assert refusal(ModelSettings(source="reader", decoder="gone"), project).startswith(
        "model.decoder: 'gone': no such folder; "
    )
    assert refusal(ModelSettings(source=HUB, decoder="gone"), project).startswith("model.decoder: 'gone': ")
    assert refusal(ModelSettings(source="reader", decoder="hub:x@main"), project).startswith(
        "model.decoder: 'hub:x@main' must be written hub:OWNER/NAME@REVISION"
    )
    (project / "writer/model.safetensors").unlink()
    assert refusal(PAIR, project).startswith("model.decoder: writer has no model.safetensors")


@pytest.mark.parametrize(
    ("settings", "begins"),
    [
        (ModelSettings(source="tiny.gguf", decoder="writer"), "model.source: tiny.gguf: "),
        (ModelSettings(source="reader", decoder="tiny.gguf"), "model.decoder: tiny.gguf: "),
    ],
)
def test_a_gguf_file_is_no_half_of_a_pair(project, settings, begins):
    assert refusal(settings, project) == (
        f"{begins}a GGUF file can't be one half of a pair; name two folders with encoders such as BERT or "
        "RoBERTa, or leave model.decoder out"
    )


def test_a_file_inside_a_package_is_found_without_importing_it(project, monkeypatch):
    package = project / "packages/with_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    shutil.copy(project / "tiny.gguf", package / "tiny.gguf")
    monkeypatch.syspath_prepend(str(package.parent))
    found = locate_base(ModelSettings(source="package:with_weights/tiny.gguf"), root=project)
    assert found.path == (package / "tiny.gguf").resolve()
