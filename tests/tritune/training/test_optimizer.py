import pytest
import torch

from tritune.plan.tuning_plan import Phase
from tritune.training.optimizer import (
    clipped_step,
    optimizer_tensors,
    plan_optimizer,
    restore_optimizer,
    set_rates,
)


def embeddings(name: str) -> bool:
    return ".embeddings." in name


def test_groups_carry_the_plans_rates_and_decay(kit):
    model = kit.tiny_bert()
    optimizer = plan_optimizer(model, kit.plan_for(model, frozen=embeddings, lr=1e-3), weight_decay=0.3)
    found = {(g["name"], g["lr"], g["weight_decay"]) for g in optimizer.param_groups}
    assert found == {("body", 1e-3, 0.3), ("body", 1e-3, 0), ("head", 2e-3, 0.3), ("head", 2e-3, 0)}


def test_frozen_tensors_are_in_no_group(kit):
    model = kit.tiny_bert()
    optimizer = plan_optimizer(model, kit.plan_for(model, frozen=embeddings), weight_decay=0.0)
    inside = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert (id(parameter) in inside) == (not embeddings(name))


def test_rates_are_shares_of_each_groups_peak(kit):
    model = kit.tiny_bert()
    optimizer = plan_optimizer(model, kit.plan_for(model, lr=1e-3), weight_decay=0.0)
    assert set_rates(optimizer, lambda _: 0.5) == pytest.approx(1e-3)
    assert set_rates(optimizer, lambda _: 0.25) == pytest.approx(5e-4)
    assert {group["lr"] for group in optimizer.param_groups} == {2.5e-4, 5e-4}


def test_each_group_is_asked_for_by_when_it_begins(kit):
    model = kit.tiny_bert()
    phases = (Phase(0.0, ("head",)), Phase(0.25, ("body", "head")))
    optimizer = plan_optimizer(model, kit.plan_for(model, lr=1e-3, phases=phases), weight_decay=0.0)
    assert set_rates(optimizer, lambda start: 1 - start) == pytest.approx(2e-3)
    assert {(group["name"], group["lr"]) for group in optimizer.param_groups} == {
        ("body", 7.5e-4),
        ("head", 2e-3),
    }


def test_state_comes_back_as_a_copy(kit):
    model = kit.tiny_bert()
    optimizer = plan_optimizer(model, kit.plan_for(model), weight_decay=0.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    stored = optimizer_tensors(model, optimizer)
    other = plan_optimizer(model, kit.plan_for(model), weight_decay=0.0)
    restore_optimizer(model, other, stored)
    again = optimizer_tensors(model, other)
    assert again.keys() == stored.keys()
    for name, tensor in stored.items():
        assert torch.equal(tensor, again[name])
        assert tensor.data_ptr() != again[name].data_ptr()


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3], ids=["short", "about as long", "far too long"])
def test_a_clipped_step_is_torchs_clipping_and_a_step(kit, size):
    def after(step):
        model = kit.tiny_bert()
        optimizer = plan_optimizer(model, kit.plan_for(model, frozen=embeddings), weight_decay=0.1)
        learning = [p for group in optimizer.param_groups for p in group["params"]]
        draw = torch.Generator().manual_seed(3)
        for _ in range(3):
            for parameter in learning[1:]:  # nothing has reached the first
                parameter.grad = torch.randn(parameter.shape, generator=draw) * size / len(learning)
            step(optimizer, learning)
        return {name: tensor.clone() for name, tensor in optimizer_tensors(model, optimizer).items()}, [
            parameter.detach().clone() for parameter in learning
        ]

    def torchs(optimizer, learning):
        torch.nn.utils.clip_grad_norm_(learning, 0.5)
        optimizer.step()

    state, weights = after(lambda optimizer, learning: clipped_step(optimizer, learning, max_norm=0.5))
    torch_state, torch_weights = after(torchs)
    torch.testing.assert_close(weights, torch_weights, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(state, torch_state, rtol=1e-5, atol=1e-10)


def test_a_gradient_without_end_is_not_hidden_by_clipping(kit):
    model = kit.tiny_bert()
    optimizer = plan_optimizer(model, kit.plan_for(model), weight_decay=0.0)
    learning = list(model.parameters())
    for parameter in learning:
        parameter.grad = torch.ones_like(parameter)
    learning[0].grad[0] = torch.inf
    clipped_step(optimizer, learning, max_norm=1.0)
    assert not torch.isfinite(learning[0]).all()
