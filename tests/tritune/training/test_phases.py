"""Trainings by plans of several phases: what holds still does so to the bit, what begins begins afresh."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tritune.models.adapters import add_adapters
from tritune.training.checkpoint import load_checkpoint, save_checkpoint
from tritune.training.embedding_rows import left_of_unseen
from tritune.training.loop import phase_starts, rates_at
from tritune.training.optimizer import optimizer_tensors
from tritune.training.stored_prefix import frozen_depth

END = 45
"""Ends every row and stands nowhere else: T5's classifier reads there."""
MODELS = {"bert": {}, "gpt2": {"pad_token_id": 0}, "t5": {"eos_token_id": END}}
KINDS = [
    ("probe_then_full", {"head_share": 0.4}),
    ("gradual", {"unfreeze_share": 0.8, "decay": 0.7}),
    ("norms_and_biases", {}),
    ("lora", {"rank": 2, "dropout": 0.1}),
]


@pytest.fixture
def run(kit, tiny_model, compiled):
    """Return a function: (architecture, kind, settings) -> a training of 10 steps in 5 epochs."""

    def build(architecture: str, kind: str, more: dict, **changes):
        net = copy.deepcopy(tiny_model(architecture, **MODELS[architecture]))
        plan = compiled(kind, architecture=architecture, lr=1e-2, **more)
        if plan.adapters is not None:
            torch.manual_seed(5)
            add_adapters(net, plan.adapters)
        made = kit.Run(net, plan, rows=16, **{"epochs": 5, **changes})
        made.training, made.validation = ended(made.training), ended(made.validation)
        return made

    return build


def ended(table):
    tokens = table.tokens.copy()
    tokens[table.offsets[1:] - 1] = END
    return replace(table, tokens=tokens)


@pytest.mark.parametrize(("kind", "more"), KINDS)
@pytest.mark.parametrize("architecture", MODELS)
def test_a_tensor_changes_in_every_step_of_its_phases_and_in_no_other(run, architecture, kind, more):
    training = run(architecture, kind, more)
    tensors = {name for name, _ in training.state.model.named_parameters()}
    matrices = {name for name, p in training.state.model.named_parameters() if p.ndim > 1}
    phases = phase_starts(training.plan, total_steps=10)
    before = training.weights()
    for moment in training.moments():
        learning = phases[max(start for start in phases if start < moment.step)]
        after = training.weights()
        moved = {name for name in tensors if after[name] != before[name]}
        assert learning & matrices <= moved <= learning
        before = after
        if moment.step == 9:
            return  # after the last step the best epoch's weights come back


@pytest.mark.parametrize(
    ("architecture", "kind", "more"),
    [("bert", *KINDS[0]), ("t5", *KINDS[1]), ("gpt2", *KINDS[3])],
)
def test_going_on_at_and_after_the_edge_of_a_phase_gives_the_same_bytes(
    run, tmp_path: Path, architecture, kind, more
):
    whole = run(architecture, kind, more).finish()
    for step in (4, 5):
        stopped = run(architecture, kind, more)
        for moment in stopped.moments():
            if moment.step == step:
                save_checkpoint(tmp_path / str(step), stopped.state, extra={})
                break
        resumed = run(architecture, kind, more)
        assert load_checkpoint(tmp_path / str(step), resumed.state) == {}
        assert resumed.state.step == step
        assert resumed.finish().weights() == whole.weights()
        assert resumed.state.history == whole.state.history


def test_what_begins_later_has_no_moments_until_then_and_counts_its_own_steps(run):
    training = run("bert", "probe_then_full", {"head_share": 0.4})
    counted = {}
    for moment in training.moments():
        found = optimizer_tensors(training.state.model, training.state.optimizer)
        counted[moment.step] = {
            name.removesuffix(".step"): int(value) for name, value in found.items() if name.endswith(".step")
        }
    assert set(counted[4]) == {"classifier.weight", "classifier.bias"}
    assert counted[5]["bert.embeddings.word_embeddings.weight"] == 1
    assert counted[10]["bert.embeddings.word_embeddings.weight"] == 6
    assert counted[10]["classifier.weight"] == 10


def test_the_body_warms_up_when_it_begins_and_all_rates_fall_together(run):
    training = run("bert", "probe_then_full", {"head_share": 0.4}, warmup_fraction=0.3)
    rates = {"layer.0": [], "head": []}
    for _ in training.moments():
        for group in training.state.optimizer.param_groups:
            if group["name"] in rates:
                rates[group["name"]].append(group["lr"])
    # The head: 10 steps, 3 of warm-up. The body: 6 steps from the fifth on, 2 of warm-up.
    assert rates["head"] == pytest.approx(
        [1e-2 * s for s in (0.25, 0.5, 0.75, *(k / 7 for k in range(7, 0, -1)))]
    )
    assert rates["layer.0"] == pytest.approx(
        [1e-2 * s for s in (0, 0, 0, 0, 1 / 3, 2 / 3, 1, 0.75, 0.5, 0.25)]
    )


def test_a_phase_too_late_for_a_short_training_still_has_the_last_step(run):
    plan = run("bert", "probe_then_full", {"head_share": 0.95}).plan
    assert sorted(phase_starts(plan, total_steps=4)) == [0, 3]
    assert sorted(phase_starts(plan, total_steps=1)) == [0]
    assert len(phase_starts(plan, total_steps=1)[0]) == plan.tensors_total


@pytest.mark.parametrize(("kind", "more"), KINDS)
def test_no_layer_that_ever_learns_is_taken_for_a_frozen_prefix(run, kind, more):
    training = run("bert", kind, more)
    assert frozen_depth(training.state.model, training.plan) == 0


def test_patience_begins_when_everything_learns(run):
    def best_first():
        left = iter([0.9, 0.1, 0.1, 0.1, 0.1])
        return lambda _: {"macro_f1": next(left)}

    probe = ("bert", "probe_then_full", {"head_share": 0.6})
    # Two steps an epoch: the body begins after three epochs, and the fourth is its first.
    assert len(run(*probe, patience=1, score=best_first()).finish().state.history) == 4
    assert len(run(*probe, patience=2, score=best_first()).finish().state.history) == 5
    assert len(run("bert", "full", {}, patience=1, score=best_first()).finish().state.history) == 2


def test_the_best_epoch_before_the_body_learnt_brings_its_bytes_back(run):
    left = iter([0.9, 0.1, 0.1, 0.1, 0.1])
    training = run("bert", "probe_then_full", {"head_share": 0.4}, score=lambda _: {"macro_f1": next(left)})
    before = training.weights()
    after = training.finish().weights()
    assert training.state.best_epoch == 1
    assert {name for name, value in after.items() if value != before[name]} == {
        "classifier.weight",
        "classifier.bias",
    }


def test_an_unseen_row_decays_by_the_schedule_of_its_own_phase(run):
    training = run("bert", "probe_then_full", {"head_share": 0.4}, weight_decay=0.5)
    name = "bert.embeddings.word_embeddings.weight"
    left = 1.0
    for step in range(10):
        if step >= 4:
            left *= 1 - 1e-2 * 0.5 * rates_at(step, total_steps=10, settings=training.settings)(0.4)
    found = left_of_unseen(training.plan, name, settings=training.settings, steps=10, total=10)
    assert found == pytest.approx(left, rel=1e-12)
    before = training.state.model.get_input_embeddings().weight.detach().clone()
    training.finish()
    if training.state.best_epoch == 5:
        unseen = np.setdiff1d(np.arange(50), training.training.tokens)
        after = training.state.model.get_input_embeddings().weight.detach()
        torch.testing.assert_close(after[unseen], found * before[unseen])
