"""What params.yaml may hold, and the sentence for everything it may not."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tritune.errors import InputError
from tritune.settings.project import check_project, read_project, read_yaml

PARAMS = Path(__file__).parents[3] / "params.yaml"
KINDS = "full, partial, adaptive, probe_then_full, gradual, norms_and_biases or lora"


def problems(change: Callable[[dict[str, Any]], object]) -> str:
    content = copy.deepcopy(dict(read_yaml(PARAMS)))
    change(content)
    with pytest.raises(InputError) as caught:
        check_project(content)
    return str(caught.value)


def problem(section: str, key: str, value: Any) -> str:
    message = problems(lambda content: content[section].update({key: value}))
    title, line = message.split("\n")
    assert title == "params.yaml has 1 problem:"
    return line.strip()


def test_the_shipped_params_are_valid_and_name_the_three_kinds():
    project = read_project(PARAMS)
    assert {project.method[name].kind for name in project.methods} == {"full", "partial", "adaptive"}


@pytest.mark.parametrize(
    ("section", "key", "value", "sentence"),
    [
        ("train", "epochs", "three", "train.epochs: must be a whole number (got 'three')"),
        ("train", "epochs", 0, "train.epochs: must be at least 1 and at most 1000 (got 0)"),
        ("train", "batch_size", 2.5, "train.batch_size: must be a whole number (got 2.5)"),
        ("train", "warmup_fration", 0.1, "train.warmup_fration: unknown key; did you mean warmup_fraction?"),
        ("tokenize", "xyz", 1, "tokenize.xyz: unknown key; known are max_length, truncation, stride"),
        ("train", "monitor", "f1", None),
        (
            "train",
            "monitor",
            "entity_f1",
            "train.monitor: task: text_classification has no entity_f1; set it to auto or one of accuracy, "
            "macro_f1, weighted_f1, matthews_correlation, negative_log_likelihood, "
            "expected_calibration_error",
        ),
        ("tokenize", "max_length", 2, "tokenize.max_length: must be at least 4 or auto (got 2)"),
        ("train", "max_grad_norm", 0, "train.max_grad_norm: must be above 0 (got 0)"),
        ("compute", "precision", "fp8", "compute.precision: must be auto, fp32 or bf16 (got 'fp8')"),
        ("data", "source", None, "data.source: must be text (got nothing)"),
        ("method", 1, {"kind": "full"}, "method.1: is no name: a name must be text, a letter first"),
        ("data", "source", "", "data.source: must not be empty (got '')"),
        ("data", "test_fraction", 1.5, "data.test_fraction: must be above 0 and below 1 (got 1.5)"),
        (
            "method",
            "full",
            {"kind": "ful"},
            f"method.full.kind: must be {KINDS} (got 'ful')",
        ),
        ("method", "full", {}, f"method.full.kind: is missing; it must be {KINDS}"),
        (
            "method",
            "full",
            {"kind": "full", "lr": "fast"},
            "method.full.lr: must be a number or auto or sweep (got 'fast')",
        ),
        (
            "method",
            "adaptive",
            {"kind": "adaptive", "decay": 1.5},
            "method.adaptive.decay: must be above 0 and at most 1 (got 1.5)",
        ),
        (
            "method",
            "full",
            {"kind": "probe_then_full", "head_share": 1},
            "method.full.head_share: must be above 0 and below 1 (got 1)",
        ),
        (
            "method",
            "full",
            {"kind": "gradual", "unfreeze_shar": 0.4},
            "method.full.unfreeze_shar: unknown key; did you mean unfreeze_share?",
        ),
        (
            "method",
            "two-words",
            {"kind": "full"},
            "method: has the name 'two-words'; a method's name is letters, digits and _, a letter first: "
            "it becomes part of stage and folder names",
        ),
    ],
)
def test_each_problem_names_key_value_and_what_is_allowed(section, key, value, sentence):
    found = problem(section, key, value)
    if sentence is None:
        assert found.startswith(f"{section}.{key}: must be auto, accuracy, macro_f1")
    else:
        assert found == sentence


def test_all_problems_come_in_one_message():
    def spoil(content: dict[str, Any]) -> None:
        content["train"]["epochs"] = -1
        content["method"]["full"]["hed_lr"] = 0.1
        del content["data"]["source"]

    lines = problems(spoil).split("\n")
    assert lines == [
        "params.yaml has 3 problems:",
        "  data.source: is missing",
        "  method.full.hed_lr: unknown key; did you mean head_lr?",
        "  train.epochs: must be at least 1 and at most 1000 (got -1)",
    ]


def test_a_method_that_is_not_defined_is_named_with_the_closest_one():
    message = problems(lambda content: content.update(methods=["full", "partal"]))
    assert "methods: partal is not defined under `method`; did you mean partial?" in message


def test_processes_have_a_row_each_and_weights_are_shared_by_several():
    message = problems(lambda content: content.update(train={"batch_size": 3}, compute={"processes": 4}))
    assert message.splitlines()[1] == (
        "  compute.processes: each needs a row of every step, and train.batch_size is 3; set it to 3 or less "
        "(got 4)"
    )
    message = problems(lambda content: content.update(compute={"shard": True}))
    assert message.splitlines()[1] == (
        "  compute.shard: one process has nobody to share its weights with; set compute.processes to 2 or "
        "more, or shard to false"
    )


def test_fractions_must_leave_training_rows():
    message = problems(lambda content: content["data"].update(validation_fraction=0.6, test_fraction=0.4))
    assert "their sum must be below 1 (got 0.6 + 0.4)" in message


def test_a_repeated_seed_is_refused():
    assert "seeds: must name each once (7 is repeated)" in problems(lambda c: c.update(seeds=[7, 7]))


def test_scientific_notation_without_a_point_is_a_number(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(
        PARAMS.read_text().replace("    kind: full\n    lr: auto", "    kind: full\n    lr: 5e-4")
    )
    assert read_project(path).method["full"].lr == 5e-4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"train: [1, 2\nx: 1",
            "params.yaml, line 2: not valid YAML: did not find expected ',' or ']' (while parsing a flow "
            "sequence that begins in line 1); mend that line or one before it",
        ),
        (
            b"a: 1\ntrain: {a: 1, a: 2}",
            'params.yaml, line 2: not valid YAML: found duplicate key "a"; keep one of the two',
        ),
        (b"train:\n  a: 1\n\tb: 1\n", "params.yaml, line 3: not valid YAML: a tab at its start; indent with"),
        (
            b"train: %1",
            "params.yaml, line 1: not valid YAML: found character that cannot start any token; mend",
        ),
        (b"task: a\0b", "params.yaml: not valid YAML: unacceptable character #x0000"),
        (
            b"<<<<<<< HEAD\r\ntask: a\r\n=======\r\n",
            "params.yaml, line 1: an unresolved merge conflict; keep one side and delete the markers",
        ),
        (b"- 1\n", "params.yaml: must be a mapping of sections such as `data:` and `model:`"),
        (b"task: \xff", "params.yaml, line 1: not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path, content, sentence):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"params\.yaml") as caught:
        read_yaml(path)
    assert sentence in str(caught.value)


def test_a_missing_file_says_where_to_run_the_command(tmp_path):
    with pytest.raises(InputError, match=r"params\.yaml: no such file in .*; run the command in the project"):
        read_project(tmp_path / "params.yaml")
