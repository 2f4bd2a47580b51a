"""A result's machine is on record where the measurement beside it is that result's own."""

import json
from pathlib import Path

from tritune.pipeline.identity import key_of_entry
from tritune.pipeline.machine import FEATURES, made_on, this_machine

ENTRY = {
    "cmd": "python -m tasks train",
    "deps": [{"path": "base", "hash": "md5", "md5": "1.dir"}],
    "params": {"params.yaml": {"compute": {"threads": 1}}},
    "outs": [{"path": "checkpoints/full-13", "hash": "md5", "md5": "2.dir"}],
}


def measure(root: Path, **content: object) -> None:
    (root / "measurements").mkdir()
    (root / "measurements/train@full-13.json").write_text(json.dumps(content))


def test_this_machine_is_told_by_what_libraries_choose_their_loops_by():
    machine = this_machine()
    assert set(machine) == {"system", "processor", "processor features", "Python"}
    assert set(machine["processor features"].split()) <= set(FEATURES)


def test_a_measurement_of_these_inputs_says_on_what_it_was_made(tmp_path: Path):
    measure(
        tmp_path,
        key=key_of_entry(ENTRY),
        machine={"processor": "old"},
        precision="bf16",
        threads=2,
        seconds=9,
    )
    other_result = {**ENTRY, "outs": [{"path": "checkpoints/full-13", "hash": "md5", "md5": "3.dir"}]}
    for entry in (ENTRY, other_result):  # by the inputs, as DVC's run-cache
        assert made_on(tmp_path, "train@full-13", entry) == {
            "processor": "old",
            "precision": "bf16",
            "threads": "2",
        }


def test_a_measurement_of_other_inputs_says_nothing(tmp_path: Path):
    measure(tmp_path, key=key_of_entry(ENTRY), machine={"processor": "old"})
    changed = {**ENTRY, "params": {"params.yaml": {"compute": {"threads": 2}}}}
    assert made_on(tmp_path, "train@full-13", changed) == {}


def test_without_a_measurement_nothing_is_on_record(tmp_path: Path):
    assert made_on(tmp_path, "train@full-13", ENTRY) == {}
