"""Passes of sizes that come back, on tensors that stay where they are, are passes as ever.

A processor records nothing: here what would be recorded runs again on the same tensors.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tritune.training.test_packing import PACKED, assert_same, loss_and_gradients, tiny, with_lists
from tritune.objectives.named import objective_named
from tritune.training.batches import collate
from tritune.training.packing import packed_layers
from tritune.training.recorded import RecordedPasses, overwritten_gradients

SINGLE = objective_named("single_label")


def without_masks(model, table, *, objective=SINGLE):
    packing = packed_layers(model, table, above=0, objective=objective, pad_token_id=0)
    packing.always = True  # as on a GPU
    longest = np.argsort(-table.lengths)[:3]
    batch = collate(replace(table, packed=True), longest, pad_token_id=0)
    with torch.inference_mode():
        expected = torch.cat(objective.outputs(model, batch))
        packing.drop_masks(
            lambda: torch.cat(objective.outputs(model, batch)), expected, longest=int(table.lengths.max())
        )
    return packing


@pytest.mark.parametrize("name", sorted(set(PACKED) - {"modernbert", "gemma3"}))
def test_rows_that_need_no_mask_run_without_it(kit, name):
    model, table = tiny(name), kit.token_table(20)
    padded = loss_and_gradients(model, table)
    packing = without_masks(model, table)
    assert packing.longest_without_mask == table.lengths.max()
    assert_same(padded, loss_and_gradients(model, replace(table, packed=True)))
    assert packing.without_mask


@pytest.mark.parametrize("name", ["modernbert", "gemma3"])
def test_a_window_shorter_than_the_rows_needs_its_mask(kit, name):
    model, table = tiny(name), kit.token_table(20)
    padded = loss_and_gradients(model, table)
    assert without_masks(model, table).longest_without_mask == 0
    assert_same(padded, loss_and_gradients(model, replace(table, packed=True)))


def test_rows_longer_than_any_that_was_tried_keep_their_mask(kit):
    model, table = tiny("bert"), kit.token_table(20)
    packing = without_masks(model, table)
    packing.longest_without_mask -= 1
    assert not packing.needs_no_mask(torch.from_numpy(table.lengths))


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


class Recorder:
    """Runs again instead of replaying, and counts."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, run):
        self.recorded += 1

        def replay():
            self.replayed += 1
            return run()

        return replay


@pytest.mark.parametrize("objective", ["single_label", "token_labels"])
@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_loss_and_gradients_are_those_of_other_passes(kit, name, objective):
    table = kit.token_table(60)
    if objective == "token_labels":
        model, table = tiny(name, "ForTokenClassification"), with_lists(table)
    else:
        model = tiny(name)
    aim, recorder, draw = objective_named(objective), Recorder(), np.random.RandomState(0)
    packing = without_masks(model, table, objective=aim)
    passes = RecordedPasses(packing, table, pad_token_id=0, recorder=recorder)
    packed = replace(table, packed=True)

    def do(batch, terms):
        share = aim.loss_sum(model, batch, label_smoothing=0.1) / terms
        share.backward()
        return share.detach()

    for _ in range(12):
        batch = collate(packed, draw.permutation(60)[:8], pad_token_id=0)
        kept = [parameter.grad for parameter in model.parameters()]
        model.zero_grad()
        expected = do(batch, 8).item(), gradients(model)
        for parameter, gradient in zip(model.parameters(), kept, strict=True):
            parameter.grad = gradient  # of the step before, to be overwritten
        loss = passes.run(batch, 8, do, first=True)
        assert_same(expected, (loss.item(), gradients(model)))
        passes.run(batch, 8, do, first=False)
        assert_same((0, {name: 2 * each for name, each in expected[1].items()}), (0, gradients(model)))
    assert 0 < recorder.recorded < recorder.replayed < 24
    assert packing.fixed is None


def test_what_cannot_be_recorded_runs_as_ever_and_says_so(kit, capsys):
    def refuse(_):
        raise RuntimeError("no such thing\nand more")

    model, table = tiny("bert"), kit.token_table(20)
    packed = replace(table, packed=True)
    passes = RecordedPasses(without_masks(model, table), table, pad_token_id=0, recorder=refuse)

    def do(batch, terms):
        return SINGLE.loss_sum(model, batch, label_smoothing=0.0).detach() / terms

    batch = collate(packed, np.arange(8), pad_token_id=0)
    first, second, third = (passes.run(batch, 8, do, first=True) for _ in range(3))
    assert first == second == third
    assert "passes are not recorded" in capsys.readouterr().out
    assert passes.failed == "no such thing"


def test_gradients_are_overwritten_and_those_not_reached_are_zero():
    one, other = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    (3 * one + 5 * other).sum().backward()
    where = one.grad
    with overwritten_gradients([one, other]):
        (7 * one).sum().backward()
    assert one.grad is where
    assert one.grad.tolist() == [7, 7]
    assert other.grad.tolist() == [0, 0]
