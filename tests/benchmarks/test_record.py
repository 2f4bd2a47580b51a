import json
import shutil
from pathlib import Path

import pytest

from benchmarks.record import page, present_configuration, record
from tritune.errors import InputError

ROOT = Path(__file__).parents[2]


def write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def finished_run(tmp_path: Path) -> Path:
    """What a run with configs/wnut17.yaml and two seeds leaves behind, as far as it is read."""
    (tmp_path / "configs").mkdir()
    for path in (ROOT / "configs").glob("*.yaml"):
        shutil.copy(path, tmp_path / "configs")
    shutil.copy(ROOT / "configs/wnut17.yaml", tmp_path / "params.yaml")
    method = {
        "method": "full",
        "parameters_trainable": 22_000_000,
        "validation": {"entity_f1": 0.5, "accuracy": 0.9},
        "test": {"entity_f1": 0.25, "accuracy": 0.8},
        "seeds": [{"seed": 13, "test": {"entity_f1": 0.125}}, {"seed": 14, "test": {"entity_f1": 0.375}}],
    }
    comparison = {"metric": "entity_f1", "chosen": {"method": "full", "seed": 14}, "methods": [method]}
    write(tmp_path / "results/comparison.json", comparison)
    examples = {"train": 3394, "validation": 1009, "test": 1287}
    write(tmp_path / "data/tokens/tokens.json", {"examples": examples})
    made_with = {"compute": {"precision": "fp32", "threads": 1}, "versions": {"torch": "2.13.0"}}
    write(tmp_path / "evaluations/full-14/made_with.json", made_with)
    for seed, seconds in ((13, 100.0), (14, 200.0)):
        measured = {"seconds": seconds, "peak_memory_bytes": seed * 2**20, "device": "cpu", "cpu": "Z80"}
        write(tmp_path / f"measurements/train@full-{seed}.json", measured)
    return tmp_path


def test_numbers_of_all_seeds_stand_in_the_table(finished_run):
    assert present_configuration(finished_run) == "wnut17"
    content = record(finished_run, name="wnut17")
    text = page([content])
    assert "| wnut17 | full | 22,000,000 | entity F1 | 0.5000 | 0.2500 | 0.1250 (13), 0.3750 (14) |" in text
    assert "|  | 150 | 14 |" in text
    assert "3,394 training, 1,009 validation and 1,287 test examples; 3 epochs, batches of 16; fp32" in text
    assert "Z80; torch 2.13.0." in text


def test_the_untouched_models_score_stands_beside(finished_run):
    write(
        finished_run / "evaluations/full-14/floor.json",
        {"name": "untouched model", "scores": {"test": {"entity_f1": 21.25}}},
    )
    assert "| 21.25 | 150 |" in page([record(finished_run, name="wnut17")])


def test_parameters_of_ones_own_have_no_name_to_go_by(finished_run):
    with (finished_run / "params.yaml").open("a") as file:
        file.write("# mine\n")
    with pytest.raises(InputError, match=r"params\.yaml is none of the ready configurations"):
        present_configuration(finished_run)


def test_a_run_that_was_not_made_here_is_said(finished_run):
    shutil.rmtree(finished_run / "measurements")
    with pytest.raises(InputError, match=r"train@full-13\.json is missing; run `tritune run`"):
        record(finished_run, name="wnut17")
