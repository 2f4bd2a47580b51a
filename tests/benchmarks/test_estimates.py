"""The arithmetic of what was foretold beside what was measured, and the project it is measured in."""

import pytest
import yaml

from benchmarks.estimates import METHOD, cloned, page
from benchmarks.speed_cases import CASES

CONDITIONS = {
    "cases": {"full": {"title": "full", "texts": "short", "epochs": 3}},
    "data": "texts",
    "precision": "bf16",
    "machine": "a processor",
    "versions": {"torch": "2"},
}


def run(seconds, measured):
    one = {"parameters": 1000, "memory": 100 * 2**20}
    return {
        "case": "full",
        "foretold": {**one, "seconds": seconds},
        "measured": {**one, "memory": 80 * 2**20, "seconds": measured},
    }


@pytest.fixture
def rows():
    runs = [run(9.0, 10.0), run(12.0, 10.0), run(11.0, 20.0)]
    return [line for line in page(runs, CONDITIONS).splitlines() if line.startswith("| full")]


def test_each_repeat_is_held_against_its_own_training(rows):
    assert rows[1] == (
        "| full, short texts, 3 epochs | 3 | seconds of a training | 11.0 | 10.0 | -10 (-45 to +20) |"
    )


def test_memory_is_told_in_mebibytes(rows):
    assert rows[2].endswith("| peak memory, MiB | 100 | 80 | +25 (+25 to +25) |")


def test_parameters_are_the_same_to_the_last(rows):
    assert rows[0].endswith("| trained parameters | 1,000 | 1,000 | +0 (+0 to +0) |")


def test_a_clone_has_the_case_alone(tmp_path):
    case = CASES["partial_long"]
    params = yaml.safe_load((cloned(tmp_path, case).folder / "params.yaml").read_text("utf-8"))
    assert params["methods"] == [METHOD]
    assert params["method"] == {METHOD: dict(case.method)}
    assert params["train"]["epochs"] == case.epochs
    assert params["tokenize"]["max_length"] == 256
