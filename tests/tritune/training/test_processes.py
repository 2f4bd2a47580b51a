"""Several processes take the steps that one would take, whole or each with a part of the weights."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from tests.tritune.objectives.test_written_tokens import random_table
from tests.tritune.training.several import together
from tritune.errors import InputError
from tritune.inference import model_outputs
from tritune.objectives import causal_lm, sequence_to_sequence
from tritune.objectives.named import objective_named
from tritune.training.batches import collate
from tritune.training.checkpoint import load_checkpoint, save_checkpoint
from tritune.training.processes import ALONE, Processes
from tritune.training.reduced import reduce_training
from tritune.training.sharding import shard_model, whole_tensors

CPU = torch.device("cpu")
END = 45
"""Ends every row and stands nowhere else: T5's classifier reads there."""

WITHOUT_DROPOUT = {
    "bert": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "llama": {"pad_token_id": 0},
    "t5": {"dropout_rate": 0.0, "classifier_dropout": 0.0, "eos_token_id": END},
}
KINDS = {
    "full": {},
    "partial": {"freeze_layers": 1},
    "adaptive": {"decay": 0.7},
    "probe_then_full": {"head_share": 0.4},
    "lora": {"rank": 2},
}
FEW = [("bert", "partial"), ("t5", "adaptive")]
EVERY = [(architecture, kind) for architecture in WITHOUT_DROPOUT for kind in KINDS]


def ended(table):
    tokens = table.tokens.copy()
    tokens[table.offsets[1:] - 1] = END
    return replace(table, tokens=tokens)


@pytest.fixture
def made(kit, tiny_model, compiled):
    """Return a function: (architecture, kind, processes) -> a training of six steps in two epochs.

    The last step of each epoch has one row: of two processes one has none.
    """

    def make(architecture: str, kind: str, processes: Processes = ALONE, *, dropout: bool = False, **changes):
        from tritune.models.adapters import add_adapters

        settings = {} if dropout else WITHOUT_DROPOUT[architecture]
        net = copy.deepcopy(tiny_model(architecture, **settings))
        plan = compiled(kind, architecture=architecture, lr=1e-3, **KINDS[kind])
        if plan.adapters is not None:
            torch.manual_seed(5)
            add_adapters(net, plan.adapters)
        if processes.sharded:
            shard_model(net, device=CPU, count=processes.count)
        run = kit.Run(net, plan, rows=17, processes=processes, watches=True, **changes)
        run.training, run.validation = ended(run.training), ended(run.validation)
        return run

    return make


def result(run):
    """Take the steps that are left, and return the losses, the history and the weights."""
    losses = [moment.loss.item() for moment in run.moments()]
    weights = whole_tensors(run.state.model, keep=True)
    return losses, run.state.history, {name: value.numpy() for name, value in weights.items()}


def assert_the_same_but_for_rounding(found, expected, case):
    losses, history, weights = found
    assert losses == pytest.approx(expected[0], rel=1e-5), case
    for row, other in zip(history, expected[1], strict=True):
        assert row == pytest.approx(other, rel=1e-5), case
    assert weights.keys() == expected[2].keys()
    for name, weight in weights.items():
        # A key's bias adds the same to all scores: its gradient is rounding, of which Adam makes steps.
        if not name.endswith("key.bias"):
            other = expected[2][name]
            assert np.linalg.norm(weight - other) <= 1e-5 * np.linalg.norm(other), (case, name)


@pytest.mark.parametrize("cases", [FEW, pytest.param(EVERY, marks=pytest.mark.slow)], ids=["few", "every"])
def test_two_processes_take_the_steps_that_one_takes(made, tmp_path, cases):
    def both_ways(processes):
        ways = (processes, replace(processes, sharded=True))
        return [[result(made(*case, way)) for case in cases] for way in ways]

    expected = [result(made(*case)) for case in cases]
    for of_process in together(both_ways, tmp_path):
        for way in of_process:
            for case, found, one in zip(cases, way, expected, strict=True):
                assert_the_same_but_for_rounding(found, one, case)


@pytest.mark.slow
def test_three_processes_do_too(made, tmp_path):
    """Of sixteen numbers two have six and one has four, and of eight rows two have three and one has two."""

    def both_ways(processes):
        return [result(made("bert", "full", way)) for way in (processes, replace(processes, sharded=True))]

    expected = result(made("bert", "full"))
    for of_process in together(both_ways, tmp_path, count=3):
        for found in of_process:
            assert_the_same_but_for_rounding(found, expected, "three")


def bytes_of(weights) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in weights.items()}


def test_with_dropout_the_same_bytes_again_stopped_or_not_and_in_all_processes(made, tmp_path):
    """And other bytes than one process gives: each draws numbers of its own."""

    def run(processes):
        folder = tmp_path / ("parts" if processes.sharded else "whole")
        make = partial(made, "bert", "probe_then_full", processes, dropout=True)
        losses, history, weights = result(make())
        stopped = make()
        for moment in stopped.moments():
            if moment.step == 4:
                if processes.first or processes.sharded:
                    save_checkpoint(folder, stopped.state, extra={"at": 4}, processes=processes)
                break
        processes.gathered(None)  # as the next step would: it is stored before anyone goes on
        again = make()
        assert load_checkpoint(folder, again.state, processes=processes) == {"at": 4}
        later, history_again, weights_again = result(again)
        assert later == losses[4:]
        assert history_again == history
        assert bytes_of(weights_again) == bytes_of(weights)
        return losses, bytes_of(weights)

    def both_ways(processes):
        return [run(processes), run(replace(processes, sharded=True))]

    first, second = together(both_ways, tmp_path)
    assert first == second
    assert sorted(path.name for path in tmp_path.glob("parts/*/*")) == [
        "state-1.safetensors",
        "state.json",
        "state.safetensors",
    ]
    alone = result(made("bert", "probe_then_full", dropout=True))
    assert alone[0] != pytest.approx(first[0][0], rel=1e-5)


def test_a_part_that_is_damaged_makes_no_process_go_on_from_it(made, tmp_path):
    def run(processes):
        processes = replace(processes, sharded=True)
        training = made("bert", "full", processes)
        next(training.moments())
        save_checkpoint(tmp_path / "state", training.state, extra={}, processes=processes)
        processes.gathered(None)
        if processes.first:
            part = tmp_path / "state/step-000000001/state-1.safetensors"
            part.write_bytes(part.read_bytes()[:-1] + b"?")
        processes.gathered(None)
        return load_checkpoint(tmp_path / "state", made("bert", "full", processes).state, processes=processes)

    assert together(run, tmp_path) == [None, None]


def test_an_evaluation_gives_each_process_the_outputs_of_one_to_the_bit(kit, tmp_path):
    net, table = kit.tiny_bert(), kit.token_table(30)
    ask = partial(
        model_outputs, net, table, objective=objective_named("single_label"), pad_token_id=0, batch_size=4
    )
    expected = ask().values.tobytes()
    assert together(lambda processes: ask(processes=processes).values.tobytes(), tmp_path) == [expected] * 2


def test_a_model_that_leaves_layers_out_by_chance_is_not_sharded(tiny_model):
    model = copy.deepcopy(tiny_model("bart"))
    model.config.encoder_layerdrop = 0.1
    with pytest.raises(InputError) as refused:
        shard_model(model, device=CPU, count=2)
    assert str(refused.value) == (
        "compute.shard: the model leaves layers out by chance (encoder_layerdrop: 0.1 in its config.json), "
        "and sharded processes have to run the same ones; set encoder_layerdrop to 0 there, or compute.shard "
        "to false"
    )


def test_one_without_a_piece_left_runs_a_row_for_nothing_where_weights_are_in_parts():
    long, short, other = np.array([4, 2]), np.array([7, 1]), np.array([3])
    of_each = [[long, short], [other]]
    whole, parts = Processes(1, 2), Processes(1, 2, sharded=True)
    assert [(piece.tolist(), counts) for piece, counts in whole.turns(of_each)] == [([3], True)]
    assert [(piece.tolist(), counts) for piece, counts in parts.turns(of_each)] == [([3], True), ([7], False)]


def frozen_low(name: str) -> bool:
    return ".embeddings." in name or "layer.0." in name


def test_what_a_training_leaves_out_is_left_out_by_each_process(kit, tmp_path):
    """Stored frozen layers or a cut embedding, rows end to end, and activations computed again."""

    def run(processes, frozen, *, recompute=True):
        net = kit.tiny_bert(dropout=0.0)
        plan = kit.plan_for(net, frozen=frozen)
        training, validation = kit.token_table(17, seed=1), kit.token_table(20, seed=2)
        reduced = reduce_training(
            net,
            plan,
            training,
            validation,
            objective=objective_named("single_label"),
            precision="fp32",
            memo_gib=1.0,
            recompute=recompute,
            pad_token_id=0,
            memos=tmp_path / "memos",
            processes=processes,
        )
        if processes.sharded:
            shard_model(net, device=CPU, count=processes.count)
        else:
            low = frozen("bert.embeddings.")
            assert (reduced._prefix is not None) == low
            assert (reduced._cut is None) == low
        assert reduced.training.packed
        made = kit.Run(net, plan, processes=processes, rows=17)
        made.training, made.validation = reduced.training, reduced.validation
        losses = [moment.loss.item() for moment in made.moments()]
        reduced.undo(made.state, plan, settings=made.settings)
        weights = whole_tensors(net, keep=True)
        return losses, made.state.history, {name: value.numpy() for name, value in weights.items()}

    ways = [frozen_low, lambda _: False]

    def both_ways(processes):
        sharded = replace(processes, sharded=True)
        return [[run(each, frozen) for frozen in ways] for each in (processes, sharded)]

    expected = [run(ALONE, frozen, recompute=False) for frozen in ways]
    for of_process in together(both_ways, tmp_path):
        for way in of_process:
            for number, (found, one) in enumerate(zip(way, expected, strict=True)):
                assert_the_same_but_for_rounding(found, one, number)


TIED = [(causal_lm, "gpt2-lm"), (sequence_to_sequence, "bart-lm")]
OTHERS = [(causal_lm, "llama-lm"), (sequence_to_sequence, "t5-lm"), (sequence_to_sequence, "pair")]


@pytest.mark.parametrize(
    "writers", [TIED, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["tied", "others"]
)
def test_a_sharded_model_that_writes_has_the_whole_ones_gradients(tiny_model, tmp_path, writers):
    def gradients(processes, objective, kind, rows):
        net, data = copy.deepcopy(tiny_model(kind)).eval(), random_table(objective)
        with torch.inference_mode():
            objective.outputs(net, collate(data, np.arange(1), pad_token_id=0))
        if processes.sharded:
            shard_model(net, device=CPU, count=processes.count)
        batch = collate(data, rows, pad_token_id=0)
        loss = objective.loss_sum(net, batch, label_smoothing=0.0)
        loss.backward()
        total = loss.detach()
        processes.add_up([], total)
        found = {}
        for name, parameter in net.named_parameters():
            if parameter.grad is not None:
                grad = parameter.grad
                found[name] = (grad.full_tensor() if processes.sharded else grad).numpy()
        return total.item(), found

    def sharded(processes):
        processes = replace(processes, sharded=True)
        rows = np.arange(7)[processes.number :: 2]
        return [gradients(processes, *each, rows) for each in writers]

    expected = [gradients(ALONE, *each, np.arange(7)) for each in writers]
    for of_process in together(sharded, tmp_path):
        for (loss, found), (other_loss, others) in zip(of_process, expected, strict=True):
            assert loss == pytest.approx(other_loss, rel=1e-5)
            scale = max(np.linalg.norm(other) for other in others.values())
            assert found.keys() == others.keys()
            for name, other in others.items():
                difference = np.linalg.norm(found[name] - other)
                assert difference <= 1e-5 * np.linalg.norm(other) + 1e-6 * scale, name


def test_gradients_in_parts_are_clipped_by_the_norm_of_all(made, tmp_path):
    def moments(run):
        """Return what AdamW has gathered of the gradients, which it gets clipped, after a step."""
        next(run.moments())
        own = [each["exp_avg"] for each in run.state.optimizer.state.values()]
        return [(one.full_tensor() if hasattr(one, "full_tensor") else one).numpy() for one in own]

    def both(processes):
        ways = (processes, replace(processes, sharded=True))
        return [moments(made("bert", "full", way, max_grad_norm=0.01)) for way in ways]

    expected = moments(made("bert", "full", max_grad_norm=0.01))
    assert np.sqrt(sum((one**2).sum() for one in expected)) == pytest.approx(0.1 * 0.01, rel=1e-3)
    for of_process in together(both, tmp_path):
        for found in of_process:
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-8)
