import pytest
import torch

from tritune.plan.tuning_plan import Phase
from tritune.training.optimizer import optimizer_tensors, plan_optimizer, restore_optimizer, set_rates


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
