import json

import pytest

from benchmarks.whole_flow import METHODS, SEEDS, cloned, our_scores, page


def run(name: str, seconds: float, repeat: int = 0, *, rows: int = 1500) -> dict:
    accuracy = dict.fromkeys(METHODS, 0.5)
    return {"rows": rows, "name": name, "repeat": repeat, "seconds": seconds, "accuracy": accuracy}


TOOK = {"tritune": 10.0, "trainer": 40.0, "trainer_at_best": 20.0}


@pytest.fixture
def conditions() -> dict:
    return {
        "machine": "a processor",
        "cores": 2,
        "precision": "fp32",
        "versions": {"torch": "2"},
    }


def test_ratios_are_taken_within_a_repeat(conditions):
    runs = [run(name, seconds) for name, seconds in TOOK.items()]
    runs += [run("tritune", 20.0, 1), run("trainer_at_best", 30.0, 1), run("trainer", 60.0, 1)]
    lines = page(runs, conditions).splitlines()
    assert lines[-3] == "| this project | 15 |  | 0.500 | 0.500 | 0.500 |"
    assert lines[-2].startswith("| Trainer, defaults | 50 | 3.50 (3.00 - 4.00) |")
    assert lines[-1].startswith("| Trainer at its best | 25 | 1.75 (1.50 - 2.00) |")
    assert "## 1,500 texts, 2 repeats" in lines


def test_each_size_has_a_table_the_smallest_first(conditions):
    runs = [run(name, seconds, rows=3000) for name, seconds in TOOK.items()]
    runs += [run(name, seconds / 2) for name, seconds in TOOK.items()]
    text = page(runs, conditions)
    small, large = text.split("## ")[1:]
    assert small.startswith("1,500 texts, 1 repeat\n")
    assert "| this project | 5 |" in small
    assert large.startswith("3,000 texts, 1 repeat\n")
    assert "| this project | 10 |" in large


def test_the_clone_compares_all_methods_from_all_seeds_on_so_many_texts(tmp_path):
    clone = cloned(tmp_path, rows=300)
    assert len((clone.folder / "topics.jsonl").read_text("utf-8").splitlines()) == 300
    plan = clone.tritune("plan")
    assert plan.returncode == 0, plan.stdout + plan.stderr


def test_our_scores_are_means_over_seeds(tmp_path):
    (tmp_path / "metrics").mkdir()
    for method in METHODS:
        for place, seed in enumerate(SEEDS):
            content = {"test": {"accuracy": 0.5 + 0.1 * place}}
            (tmp_path / f"metrics/{method}-{seed}.json").write_text(json.dumps(content), "utf-8")
    assert our_scores(tmp_path) == pytest.approx(dict.fromkeys(METHODS, 0.6))
