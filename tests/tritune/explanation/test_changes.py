"""Tiny models of which some layers are frozen: what did not move is said to be exactly as it was."""

import copy

import numpy as np
import pyarrow as pa
import pytest
import torch

from tritune.explanation.changes import NO_PROBE, changes
from tritune.explanation.layer_states import each_nth, even_rows, layer_states, mean_of_row
from tritune.methods.partial import rates
from tritune.models.layers import take_apart
from tritune.plan.compile import compile_plan
from tritune.settings.method import PartialSettings
from tritune.tokens import TokenTable


def table(rows: int, *, listed: bool = False, labels: int = 3) -> TokenTable:
    draw = np.random.default_rng(1)
    lengths = draw.integers(3, 9, rows)
    total = int(lengths.sum())
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    return TokenTable(
        row_ids=pa.array([str(row) for row in range(rows)], pa.string()),
        tokens=draw.integers(4, 50, total).astype(np.int32),
        offsets=offsets,
        labels=draw.integers(0, labels, total if listed else rows).astype(np.int32),
        label_offsets=offsets if listed else None,
    )


def told(before, after, objective="single_label", *, listed=False, labels=("a", "b", "c")):
    return changes(
        before,
        after,
        objective=objective,
        labels=list(labels),
        training=table(30, listed=listed),
        validation=table(20, listed=listed),
        pad_token_id=0,
    )


@pytest.fixture
def tuned(tiny_model):
    """A BERT and a copy of it that moved wherever a plan with two frozen layers lets it, and the plan."""
    before = tiny_model("bert").eval()
    after = copy.deepcopy(before)
    method = PartialSettings(kind="partial", freeze_layers=2, lr=1e-3)
    anatomy = take_apart(before)
    plan = compile_plan(
        anatomy,
        rates(anatomy, method, new_tensors=(), key="method.half"),
        method,
        new_tensors=(),
        key="method.half",
    )
    torch.manual_seed(1)
    for group in plan.groups:
        for name in group.tensors if group.lr is not None else ():
            parameter = after.get_parameter(name)
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    return before, after, plan


def test_what_the_plan_froze_has_a_drift_of_exactly_0_and_is_exactly_alike(tuned):
    before, after, plan = tuned
    found = told(before, after)
    learning = {name for group in plan.groups if group.lr is not None for name in group.tensors}
    moves = {part.name: any(t.name in learning for t in part.tensors) for part in take_apart(before).parts}
    assert [(name, value > 0) for name, value in found["drift"]] == [
        (name, moved) for name, moved in moves.items() if name != "head"
    ]
    assert [name for name, _ in found["alike"]] == ["embeddings", "layer.0", "layer.1", "layer.2"]
    assert [value == 1.0 for _, value in found["alike"]] == [True, True, True, False]
    assert 0 < found["alike"][3][1] < 1


def test_a_probe_reads_at_each_height_what_is_there(tiny_model):
    """The embeddings of this model know the class: a token that only its texts have."""
    model = tiny_model("bert").eval()
    rows = table(60)
    for row in range(rows.rows):
        rows.tokens[rows.offsets[row] : rows.offsets[row + 1]] = 10 + rows.labels[row]
    found = changes(
        model,
        model,
        objective="single_label",
        labels=["a", "b", "c"],
        training=rows,
        validation=rows,
        pad_token_id=0,
    )
    assert found["probe"]["score"] == "accuracy"
    assert found["probe"]["values"][0] == ["embeddings", 1.0]
    assert len(found["probe"]["values"]) == 4


@pytest.mark.parametrize(
    ("objective", "score"),
    [("multi_label", "F1 of all labels"), ("token_labels", "F1 of the entities' words")],
)
def test_other_answers_have_scores_of_their_own(tiny_model, objective, score):
    model = tiny_model("bert").eval()
    found = told(model, model, objective, listed=True, labels=("O", "B-x", "I-x"))["probe"]
    assert found["score"] == score
    assert all(0 <= value <= 1 for _, value in found["values"])


@pytest.mark.parametrize("architecture", ["gpt2-lm", "t5-lm", "bart-lm", "pair"])
def test_models_that_write_are_compared_without_a_probe(tiny_model, architecture):
    model = tiny_model(architecture).eval()
    objective = "causal_lm" if architecture == "gpt2-lm" else "sequence_to_sequence"
    found = told(model, model, objective, listed=True, labels=())
    assert {value for _, value in found["alike"]} == {1.0}
    prefixes = {name.rpartition("layer.")[0] for name, _ in found["alike"] if "layer" in name}
    assert prefixes == ({""} if architecture == "gpt2-lm" else {"encoder.", "decoder."})
    assert found["probe"] == {"left_out": NO_PROBE[objective]}


def test_states_are_transformers_own_and_padding_has_no_part(tiny_model):
    model, rows = tiny_model("bert").eval(), table(20)
    chosen = np.array([2, 7])
    found = layer_states(model, rows, chosen, pick=mean_of_row, pad_token_id=0)
    each = layer_states(model, rows, chosen, pick=each_nth(1), pad_token_id=0)
    assert len(each["layer.0"]) == rows.lengths[chosen].sum()
    for index, row in enumerate(chosen):
        with torch.no_grad():
            expected = model(
                torch.from_numpy(rows.row(row)[None].astype(np.int64)), output_hidden_states=True
            )
        for states, name in zip(expected.hidden_states, found, strict=True):
            torch.testing.assert_close(found[name][index], states[0].mean(dim=0), rtol=1e-4, atol=1e-5)


def test_rows_are_spread_evenly_and_none_is_taken_twice():
    rows = table(20)
    some = even_rows(rows, 4)
    assert sorted(some) == [0, 6, 13, 19]
    assert (np.diff(rows.lengths[some]) <= 0).all()
    assert sorted(even_rows(table(3), 10)) == [0, 1, 2]
