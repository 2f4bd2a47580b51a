import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from tritune.objectives.named import objective_named
from tritune.sweep.gradient_norm import FURTHEST, gradient_norms, proposal
from tritune.tokens import TokenTable
from tritune.training.batches import Batch


def table(rows: int = 6, length: int = 5) -> TokenTable:
    draw = np.random.RandomState(1)
    return TokenTable(
        row_ids=pa.array([str(row) for row in range(rows)]),
        tokens=draw.randint(5, 50, rows * length).astype(np.int32),
        offsets=np.arange(0, rows * length + 1, length),
        labels=(np.arange(rows) % 3).astype(np.int32),
    )


def norms(model, plan, *batches):
    return gradient_norms(
        model,
        plan,
        table(),
        batches or [np.arange(6)],
        objective=objective_named("single_label"),
        precision="fp32",
        device=torch.device("cpu"),
        pad_token_id=0,
    )


@pytest.fixture
def adaptive(compiled):
    return compiled("adaptive", rates="gradient_norm")


def test_the_norms_are_those_of_the_mean_loss_s_gradient(tiny_model, adaptive):
    model = tiny_model("bert", initializer_range=0.2)
    found = {one.part: one for one in norms(model, adaptive)}
    tokens = torch.from_numpy(table().tokens.reshape(6, 5).astype(np.int64))
    batch = Batch(tokens, torch.ones_like(tokens), torch.arange(6) % 3)
    loss = objective_named("single_label").loss_sum(model.eval(), batch, label_smoothing=0.0) / 6
    loss.backward()
    for part, one in found.items():
        names = [name for group in adaptive.groups if group.part == part for name in group.tensors]
        gradients = [model.get_parameter(name).grad for name in names]
        squares = [float(gradient.square().sum()) for gradient in gradients if gradient is not None]
        assert one.gradient == pytest.approx(math.sqrt(sum(squares)), rel=1e-5), part
    model.zero_grad()


def test_how_the_rows_are_cut_into_batches_does_not_matter_and_nothing_is_left_behind(tiny_model, adaptive):
    model = tiny_model("bert", initializer_range=0.2)
    whole = norms(model, adaptive)
    cut = norms(model, adaptive, np.arange(4), np.arange(4, 6))
    assert [one.gradient for one in cut] == pytest.approx([one.gradient for one in whole], rel=1e-5)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_is_new_keeps_the_method_s_rate_and_the_others_share_it_out(tiny_model, adaptive):
    found = norms(tiny_model("bert", initializer_range=0.2), adaptive)
    assert [one.part for one in found] == ["embeddings", "layer.0", "layer.1", "layer.2", "final", "head"]
    assert found[-1].proposed == 1.0
    assert math.prod(one.proposed for one in found) == pytest.approx(1.0)
    relative = [one.gradient / one.weights for one in found[:-1]]
    assert [one.proposed for one in found[:-1]] == pytest.approx(
        [value / math.prod(relative) ** (1 / len(relative)) for value in relative]
    )


def test_the_plan_s_own_factors_stand_beside_them(tiny_model, compiled):
    plan = compiled("adaptive", decay=0.5)
    found = {one.part: one.planned for one in norms(tiny_model("bert", initializer_range=0.2), plan)}
    assert found["layer.2"] / found["layer.1"] == pytest.approx(2.0)
    assert found["layer.0"] / found["embeddings"] == pytest.approx(2.0)


def test_a_factor_is_the_relative_norm_beside_the_geometric_mean_by_hand():
    assert proposal({"a": (2.0, 1.0), "b": (4.0, 8.0)}) == {"a": 2.0, "b": 0.5}
    assert proposal({"a": (1e6, 1.0), "b": (1.0, 1.0)}) == {"a": FURTHEST, "b": 1 / FURTHEST}
    assert proposal({"a": (3.0, 1.0), "b": (0.0, 1.0), "c": (1.0, 0.0)}) == {"a": pytest.approx(1.0)}
    assert proposal({"a": (0.0, 1.0)}) == {}
