"""What is not as it was is named, and nothing else."""

from tritune.pipeline.circumstances import first_to_differ, machine_differences, other_inputs


def entry(*, deps: dict[str, str], params: dict[str, object], outs: dict[str, str]) -> dict:
    return {
        "cmd": "python -m tasks x",
        "deps": [{"path": path, "md5": md5} for path, md5 in deps.items()],
        "params": {"params.yaml": params, "versions.yaml": {"torch": params.get("torch", "2")}},
        "outs": [{"path": path, "md5": md5} for path, md5 in outs.items()],
    }


BEFORE = {
    "tokenize": entry(
        deps={"base": "1", "tasks/tokenize.py": "2"}, params={"length": 7}, outs={"tokens": "3"}
    ),
    "train": entry(deps={"tokens": "3", "base": "1"}, params={"train": {"epochs": 3}}, outs={"model": "4"}),
}


def test_equal_entries_have_no_cause():
    assert other_inputs(BEFORE, BEFORE, stages=("tokenize", "train")) == []
    assert first_to_differ(BEFORE, BEFORE, stages=("tokenize", "train")) == []


def test_data_code_and_parameters_are_told_apart_and_consequences_left_out():
    after = {
        "tokenize": entry(
            deps={"base": "9", "tasks/tokenize.py": "9"},
            params={"length": 8, "torch": "3"},
            outs={"tokens": "9"},
        ),
        "train": entry(
            deps={"tokens": "9", "base": "9"}, params={"train": {"epochs": 3}}, outs={"model": "9"}
        ),
    }
    del after["tokenize"]["params"]["params.yaml"]["torch"]
    assert other_inputs(BEFORE, after, stages=("tokenize", "train")) == [
        "data: base is not what tokenize was made with",
        "parameters: length in params.yaml is not the one that tokenize was made with",
        "code: tasks/tokenize.py is not what tokenize was made with",
    ]


def test_the_first_stage_to_give_something_else_is_named():
    after = {**BEFORE, "train": {**BEFORE["train"], "outs": [{"path": "model", "md5": "9"}]}}
    assert first_to_differ(BEFORE, after, stages=("tokenize", "train")) == [
        "the first stage to give something else is train (model)"
    ]


def test_of_a_machine_only_what_is_known_of_both_is_compared():
    then = {"processor": "A", "processor features": "avx2 avx512f", "precision": "bf16", "gone": "x"}
    here = {"processor": "B", "processor features": "avx2 amx_bf16", "precision": "bf16"}
    assert list(machine_differences(then, here)) == [
        "hardware: processor: made with A (here: B)",
        "hardware: processor features: here without avx512f and with amx_bf16",
    ]
