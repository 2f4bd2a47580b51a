import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.versus_ner_example import markdown, summary

ROOT = Path(__file__).parents[2]
WORK = {
    "rows": {"train": 3, "validation": 2, "test": 2},
    "counts": {},
    "training": {"train": {"epochs": 3, "batch_size": 16}, "threads": 1, "lr": 5e-4},
}


def training(name: str, seed: int, f1: float) -> dict:
    scores = {"entity_precision": 0.5, "entity_recall": 0.25, "accuracy": 0.75}
    return {"name": name, "seed": seed, "entity_f1": f1, **scores, "best_epoch": 2, "seconds": 4.0}


def test_differences_are_taken_seed_by_seed():
    trainings = [training("tritune", 1, 0.5), training("example", 1, 0.25)]
    trainings += [training("example", 2, 0.5), training("tritune", 2, 0.25)]
    report = summary(trainings, WORK)
    assert report["differences"] == {1: 0.25, 2: -0.25}
    assert report["mean"]["tritune"]["entity_f1"] == 0.375
    table = markdown(report)
    assert "| this project | 1 | 0.5000 | 0.5000 | 0.2500 | 0.7500 | 2 | 4 |" in table
    assert "| transformers' example | mean | **0.3750** | **0.5000** |" in table
    assert "seed by seed: +0.2500, -0.2500; mean +0.0000." in table


@pytest.mark.slow
def test_both_trainings_run_on_ones_own_data(tmp_path, tiny_base):
    sentence = "the\tO\nrose\tB-x\ntree\tI-x\n{}\tO\n"
    for split, words in {"train": "a my is near with old", "dev": "new please", "test": "where soil"}.items():
        content = "\n".join(sentence.format(word) for word in words.split())
        (tmp_path / f"{split}.conll").write_text(content)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.versus_ner_example", "--seeds", "1", "--epochs", "1"),
            *("--data", tmp_path, "--model", tiny_base, "--out", tmp_path / "out"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out/versus_ner_example.json").read_text())
    assert report["rows"] == {"train": 6, "validation": 2, "test": 2}
    assert [one["name"] for one in report["trainings"]] == ["tritune", "example"]
    assert (tmp_path / "out/versus_ner_example.md").read_text() in done.stdout
