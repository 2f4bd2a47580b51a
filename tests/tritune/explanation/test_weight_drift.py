import copy

import pytest
import torch

from tritune.explanation.weight_drift import weight_drift
from tritune.models.layers import take_apart


def test_equal_weights_have_not_moved(tiny_model):
    for architecture in ("bert", "albert", "llama", "t5", "bart", "pair"):
        model = tiny_model(architecture)
        assert set(weight_drift(model, copy.deepcopy(model)).values()) == {0.0}, architecture


def test_a_part_that_grew_by_a_tenth_moved_by_a_tenth_and_no_other_moved(tiny_model):
    before = tiny_model("bert")
    after = copy.deepcopy(before)
    parts = {part.name: part for part in take_apart(before).parts}
    with torch.no_grad():
        for tensor in parts["layer.1"].tensors:
            after.get_parameter(tensor.name).mul_(1.1)
    found = weight_drift(before, after)
    assert list(found) == ["embeddings", "layer.0", "layer.1", "layer.2", "final"]
    assert found.pop("layer.1") == pytest.approx(0.1, rel=1e-5)
    assert set(found.values()) == {0.0}


def test_the_head_is_left_out(tiny_model):
    before = tiny_model("bert")
    after = copy.deepcopy(before)
    after.classifier.weight.data.add_(1)
    assert set(weight_drift(before, after).values()) == {0.0}


def test_a_part_whose_weights_were_all_0_has_no_share_to_tell(tiny_model):
    before = tiny_model("bert")
    before = copy.deepcopy(before)
    (part,) = (part for part in take_apart(before).parts if part.name == "layer.0")
    with torch.no_grad():
        for tensor in part.tensors:
            before.get_parameter(tensor.name).zero_()
    after = copy.deepcopy(before)
    with torch.no_grad():
        after.get_parameter(part.tensors[0].name).add_(1.0)
    assert "layer.0" not in weight_drift(before, after)
    assert weight_drift(before, before)["layer.0"] == 0.0
