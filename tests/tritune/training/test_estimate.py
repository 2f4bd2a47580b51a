"""An estimate runs a few real steps and counts what all of them run."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tritune.objectives.named import objective_named
from tritune.plan.tuning_plan import Phase
from tritune.settings.train import TrainSettings
from tritune.training import estimate
from tritune.training.estimate import (
    estimate_training,
    largest_pieces,
    mean_over_phases,
    tokens_run,
)

SINGLE = objective_named("single_label")


def estimated(
    kit,
    *,
    frozen=lambda _: False,
    rows: int = 400,
    epochs: int = 3,
    memo_gib: float = 1.0,
    plan=None,
):
    net = kit.tiny_bert()
    return estimate_training(
        net,
        plan or kit.plan_for(net, frozen=frozen),
        kit.token_table(rows),
        kit.token_table(40, seed=2),
        objective=SINGLE,
        settings=TrainSettings(epochs=epochs, batch_size=8),
        precision="fp32",
        memo_gib=memo_gib,
        pad_token_id=0,
    )


def low(name: str) -> bool:
    return ".embeddings." in name or "layer.0." in name


def test_it_says_what_the_frozen_layers_take(kit):
    full, partial = estimated(kit), estimated(kit, frozen=low)
    assert full.seconds > 0
    assert (full.prefix_seconds, full.prefix_bytes) == (0.0, 0)
    assert partial.prefix_seconds > 0
    tokens = len(kit.token_table(400).tokens) + len(kit.token_table(40, seed=2).tokens)
    assert partial.prefix_bytes == tokens * 32 * 4
    without = estimated(kit, frozen=low, memo_gib=tokens * 32 * 4 / 2**30 / 2)
    assert (without.prefix_seconds, without.prefix_bytes) == (0.0, 0)


def test_what_frozen_layers_take_once_is_not_multiplied_by_the_rows(kit, monkeypatch):
    clock, sizes = [0.0], []
    start_above = estimate.start_above

    def started(model, depth, tables, *, memos, **given):
        filled = not any(memos.glob("*.npy"))
        found = start_above(model, depth, tables, memos=memos, **given)
        sizes.append(sum(len(table.tokens) for table in tables))
        clock[0] += 7.0 + 0.01 * filled * sizes[-1]
        return found

    monkeypatch.setattr(estimate, "start_above", started)
    monkeypatch.setattr(estimate, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    found = estimated(kit, frozen=low)
    every = len(kit.token_table(400).tokens) + len(kit.token_table(40, seed=2).tokens)
    assert sizes[0] < every / 2
    assert found.prefix_seconds == pytest.approx(7.0 + 0.01 * every)


def test_a_phase_counts_by_its_length_and_those_between_by_their_compute(kit):
    plan = kit.plan_for(
        kit.tiny_bert(),
        phases=(
            Phase(0.0, ("head",), 10.0),
            Phase(0.5, ("body", "head"), 30.0),
            Phase(0.75, ("body", "head"), 50.0),
        ),
    )
    # A quarter of the training is half-way between 1 and 3 seconds.
    assert mean_over_phases(plan, [1.0, 3.0]) == pytest.approx(0.5 * 1 + 0.25 * 2 + 0.25 * 3)
    once = replace(plan, phases=(Phase(0.0, ("body", "head"), 50.0),))
    assert mean_over_phases(once, [2.0]) == 2.0


def test_each_phase_is_timed_with_what_learns_in_it(kit, monkeypatch):
    seen = []
    told = estimate.train

    def train(state, plan, *arguments, **named):
        seen.append(plan.phases)
        return told(state, plan, *arguments, **named)

    monkeypatch.setattr(estimate, "train", train)
    first, last = Phase(0.0, ("head",), 1.0), Phase(0.5, ("body", "head"), 3.0)
    found = estimated(kit, plan=kit.plan_for(kit.tiny_bert(), phases=(first, last)), rows=16)
    assert found.seconds > 0
    # The steps that take most memory, and then those that are timed.
    timed = [(first,), (replace(last, start=0.0),)]
    assert seen[-2:] == timed
    assert set(seen[:-2]) == {(replace(last, start=0.0),)}


def test_the_step_with_most_tokens_runs_when_the_optimizer_has_its_state(kit, monkeypatch):
    ran = []
    told = estimate.train

    def train(state, plan, table, *arguments, **named):
        ran.append((len(table.tokens), bool(state.optimizer.state)))
        return told(state, plan, table, *arguments, **named)

    monkeypatch.setattr(estimate, "train", train)
    estimated(kit, rows=24)
    table = kit.token_table(24)
    batches = estimate.epoch_batches(24, batch_size=8, seed=0, epoch=0)
    assert (max(table.lengths[rows].sum() for rows in batches), True) in ran


def test_the_largest_piece_counts_its_padding_where_none_runs_through_the_layers(kit):
    table = replace(kit.token_table(16), packed=True)
    batches = [np.array([2, 5, 7]), np.array([1])]
    found = largest_pieces(table, batches, objective=SINGLE, model=kit.tiny_bert())
    assert found.tolist() == [3 * table.lengths[[2, 5, 7]].max(), table.lengths[1]]


def test_fewer_rows_than_it_times_are_enough(kit):
    assert estimated(kit, rows=5).seconds > 0


def test_tokens_run_are_those_of_the_pieces(kit):
    table = kit.token_table(16)
    (tokens,) = tokens_run(table, [np.arange(16)], objective=SINGLE, model=kit.tiny_bert())
    # A difference of 12 - 3 tokens in 16 rows is too little to be worth a second piece.
    assert len(table.tokens) <= tokens <= 16 * table.lengths.max()


def test_padding_does_not_run_in_packed_rows(kit):
    table = replace(kit.token_table(16), packed=True)
    batches = [np.array([2, 5, 7]), np.array([1])]
    tokens = tokens_run(table, batches, objective=SINGLE, model=kit.tiny_bert())
    assert tokens.tolist() == [sum(len(table.row(row)) for row in (2, 5, 7)), len(table.row(1))]


def test_the_table_is_gone_through_once_however_many_steps_there_are(kit):
    table, seen = kit.token_table(16), []

    class Counted:
        def items(self, given):
            seen.append(given)
            return SINGLE.items(given)

    tokens_run(table, [np.array([row]) for row in range(16)], objective=Counted(), model=kit.tiny_bert())
    assert seen == [table]
