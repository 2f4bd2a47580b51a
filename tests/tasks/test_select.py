import hashlib
import importlib.util
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import tasks.compare
from tasks.select import run
from tritune.errors import InputError
from tritune.pipeline.context import StageContext

SPEC = importlib.util.spec_from_file_location("fabricated", Path(__file__).with_name("fabricated.py"))
fabricated = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fabricated)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path)
    context = fabricated.compare_context(scratch=".")
    tasks.compare.run(context)
    Path("outputs/results").rename("results")
    for method in ("full", "partial"):
        folder = Path(f"checkpoints/{method}-13")
        folder.mkdir(parents=True)
        (folder / "config.json").write_text('{"model_type": "bert"}')
        (folder / "model.safetensors").write_bytes(method.encode())
        (folder / "extra").mkdir()
        (folder / "extra/words.txt").write_text("a")
        (folder / "README.md").write_text("of the base model")
        (folder / "provenance.json").write_text(json.dumps({"stage": f"train@{method}-13"}))
    return tmp_path


def select(task: str = "text_classification", scratch: str = "scratch") -> Path:
    context = StageContext(
        stage="select",
        item={},
        params={"task": task},
        inputs={name: Path(name) for name in ("results/comparison.json", "checkpoints")},
        outputs=("models/selected",),
        scratch=Path(scratch),
    )
    run(context)
    return Path(scratch, "outputs/models/selected")


@pytest.mark.usefixtures("project")
def test_ships_the_chosen_checkpoint_with_all_its_files():
    folder = select()
    assert (folder / "model.safetensors").read_bytes() == b"partial"
    assert (folder / "extra/words.txt").read_text() == "a"
    assert not (folder / "model.safetensors").samefile("checkpoints/partial-13/model.safetensors")


@pytest.mark.usefixtures("project")
def test_lineage_names_the_choice_and_the_hash_of_every_file():
    lineage = json.loads((select() / "lineage.json").read_text())
    assert (lineage["method"], lineage["seed"]) == ("partial", 13)
    assert lineage["reason"].startswith("partial ships")
    assert lineage["files_sha256"]["model.safetensors"] == hashlib.sha256(b"partial").hexdigest()
    shipped = {"config.json", "decided.json", "model.safetensors", "extra/words.txt"}
    assert set(lineage["files_sha256"]) == shipped
    assert lineage["trained_from"] == {"stage": "train@partial-13"}
    compared = Path("results/comparison.json").read_bytes()
    assert lineage["comparison_sha256"] == hashlib.sha256(compared).hexdigest()


@pytest.mark.usefixtures("project")
def test_a_checkpoint_without_provenance_ships_too():
    Path("checkpoints/partial-13/provenance.json").unlink()
    assert json.loads((select() / "lineage.json").read_text())["trained_from"] is None


@pytest.mark.usefixtures("project")
def test_the_card_has_front_matter_scores_and_how_to_load_it():
    card = (select() / "README.md").read_text()
    head = YAML(typ="safe").load(card.split("---\n")[1])
    scores = json.loads(Path("metrics/partial-13.json").read_text())
    assert head["pipeline_tag"] == "text-classification"
    assert head["tritune"]["labels"] == ["billing", "delivery", "<i>other</i>"]
    assert head["tritune"]["test"] == scores["test"]
    assert f"| accuracy | {scores['validation']['accuracy']:.4f} | {scores['test']['accuracy']:.4f} |" in card
    assert "4,000,000 of 22,700,000 parameters learnt (17.6%)" in card
    assert 'pipeline("text-classification", model="FOLDER")' in card
    assert "of the base model" not in card


@pytest.mark.usefixtures("project")
def test_leftovers_of_an_earlier_attempt_do_not_ship():
    folder = Path("scratch/outputs/models/selected")
    (folder / "old").mkdir(parents=True)
    (folder / "old.bin").touch()
    select()
    assert not (folder / "old").exists()
    assert not (folder / "old.bin").exists()


@pytest.mark.usefixtures("project")
def test_two_runs_give_the_same_bytes():
    first, second = select(scratch="one"), select(scratch="two")
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(names) == 6
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


@pytest.mark.usefixtures("project")
def test_refuses_a_checkpoint_that_is_not_there():
    Path("checkpoints/partial-13").rename("elsewhere")
    with pytest.raises(InputError) as error:
        select()
    assert str(error.value) == (
        "checkpoints/partial-13 is missing or empty, but the comparison chose it; make it with "
        "`dvc repro train@partial-13`"
    )


@pytest.mark.usefixtures("project")
def test_refuses_a_comparison_of_another_task():
    with pytest.raises(
        InputError, match=r"compares models for the task text_classification, but params\.yaml"
    ):
        select(task="question_answering")
