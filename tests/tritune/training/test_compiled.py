"""Compiled layers learn what others do. The compiler itself is left out: layers run as they are."""

from functools import partial

import pytest
import torch

from tritune.objectives.named import objective_named
from tritune.plan.tuning_plan import TuningPlan
from tritune.training.compiled import PAYS_FROM, is_worth_it

SINGLE = objective_named("single_label")
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def trained(kit, tmp_path, *, compiles: bool, dropout: float = 0.0, precision="fp32"):
    model = kit.tiny_bert(dropout=dropout)
    plan = kit.plan_for(model, lr=5e-3)
    reduced, run = kit.reduced_run(model, plan, tmp_path, compiles=compiles, precision=precision, epochs=2)
    assert all("forward" not in vars(module) for module in model.modules())
    return reduced.compiled, run


@pytest.fixture
def compiled_kinds(monkeypatch):
    """What was compiled, by a compiler that changes nothing."""
    kinds = []
    compile_ = torch.compile

    def without_compiler(forward, **named):
        kinds.append(forward.__qualname__)
        return compile_(forward, backend="aot_eager", **named)

    monkeypatch.setattr(torch, "compile", without_compiler)
    yield kinds
    torch._dynamo.reset()


def test_the_losses_are_those_of_layers_as_they_are(kit, tmp_path, compiled_kinds):
    (_, plain), (compiled, run) = (trained(kit, tmp_path, compiles=c) for c in (False, True))
    assert compiled
    assert compiled_kinds == ["BertLayer.forward"]  # one for all layers
    for one, other in zip(plain.state.history, run.state.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)
        assert other["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-5)


def test_the_same_seed_gives_the_same_bytes(kit, tmp_path, compiled_kinds):
    (_, one), (_, other) = (trained(kit, tmp_path, compiles=True, dropout=0.1) for _ in range(2))
    assert compiled_kinds
    assert one.weights() == other.weights()


@pytest.mark.usefixtures("compiled_kinds")
def test_layers_that_are_stored_are_left_out(kit, tmp_path):
    histories = []
    for compiles in (False, True):
        model = kit.tiny_bert()
        plan = kit.plan_for(model, lr=5e-3, frozen=lambda name: "embeddings" in name or "layer.0." in name)
        memos = tmp_path / str(compiles)
        reduced, run = kit.reduced_run(model, plan, memos, memo_gib=1.0, compiles=compiles, epochs=2)
        assert reduced.compiled == compiles
        assert all("forward" not in vars(module) for module in model.modules())
        histories.append(run.state.history)
    for one, other in zip(*histories, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)
        assert other["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-5)


def test_where_compiling_fails_the_training_goes_on_and_says_so(kit, tmp_path, monkeypatch, capsys):
    def no_compiler(*_, **__):
        def fail(*_, **__):
            raise RuntimeError("\nno C++ compiler\nsee below")

        return fail

    plain = trained(kit, tmp_path, compiles=False)[1]
    monkeypatch.setattr(torch, "compile", no_compiler)
    compiled, run = trained(kit, tmp_path, compiles=True)
    assert not compiled
    told = "the layers are not compiled, which changes nothing but the speed: no C++ compiler\n"
    assert told in capsys.readouterr().out
    assert run.weights() == plain.weights()


def test_it_is_worth_it_on_a_gpu_from_some_length_on(kit):
    model = kit.tiny_bert()
    plan: TuningPlan = kit.plan_for(model)
    worth = partial(is_worth_it, plan=plan)
    enough = int(PAYS_FROM / plan.trained_compute_per_token) + 1
    assert worth("auto", tokens=enough, device=GPU)
    assert not worth("auto", tokens=enough // 2, device=GPU)
    assert not worth("auto", tokens=enough, device=CPU)
    assert worth(True, tokens=1, device=CPU)
    assert not worth(False, tokens=enough, device=GPU)
