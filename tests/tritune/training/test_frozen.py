import pytest
import torch
from torch import nn

from tritune.training.frozen import frozen_modules, learn_only


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), nn.Dropout(0.5), nn.Sequential(nn.Linear(4, 2))
    )


def names_of(model: nn.Module, modules: list[nn.Module]) -> list[str]:
    return [name for name, module in model.named_modules() if any(module is found for found in modules)]


def test_only_the_named_parameters_have_gradients():
    model = network()
    learn_only(model, {"2.0.weight"})
    model(torch.ones(3, 4)).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is not None] == ["2.0.weight"]


def test_the_largest_frozen_modules_are_found():
    model = network()
    learn_only(model, {"2.0.weight", "2.0.bias"})
    assert names_of(model, frozen_modules(model)) == ["0"]


def test_dropout_inside_a_frozen_module_is_off_and_stays_off():
    model = network()
    learn_only(model, {"2.0.weight"})
    model.train()
    assert not model[0][1].training
    assert model[1].training
    assert model[2].training


def test_a_later_phase_turns_it_on_again():
    model = network().train()
    learn_only(model, {"2.0.weight"})
    learn_only(model, {"0.0.weight", "2.0.weight"})
    assert all(module.training for module in model.modules())
    assert "train" not in model[0].__dict__


def test_what_freezes_loses_its_gradient():
    model = network()
    learn_only(model, {"0.0.weight", "2.0.weight"})
    model(torch.ones(3, 4)).sum().backward()
    learn_only(model, {"2.0.weight"})
    assert model[0][0].weight.grad is None
    assert model[2][0].weight.grad is not None


def test_evaluation_mode_is_left_alone():
    model = network().eval()
    learn_only(model, {"2.0.weight"})
    assert not any(module.training for module in model.modules())


def test_a_tied_weight_freezes_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    learn_only(model, {"1.bias"})
    assert names_of(model, frozen_modules(model)) == ["0"]


def test_an_unknown_name_is_refused():
    with pytest.raises(
        ValueError, match=r"the model has no parameter 'head.weight' \(1 unknown names in all\)"
    ):
        learn_only(network(), {"head.weight"})
