"""What is done on a GPU alone: rows end to end in one call, recorded passes, the same bits again."""

import pytest
import torch

from tests.tritune.training.test_packing import PACKED, tiny
from tritune.objectives.named import objective_named
from tritune.training import reduced as reduced_module
from tritune.training.packing import packed_layers

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
SINGLE = objective_named("single_label")


@pytest.fixture(autouse=True)
def as_before():
    yield
    torch.use_deterministic_algorithms(True)


@pytest.mark.parametrize("name", sorted(set(PACKED) - {"modernbert", "gemma3"}))
def test_rows_need_no_mask(kit, name):
    model, table = tiny(name).cuda(), kit.token_table(20)
    packing = packed_layers(model, table, above=0, objective=SINGLE, pad_token_id=0)
    assert packing is not None
    assert packing.longest_without_mask == table.lengths.max()


def trained(kit, tmp_path, *, dropout: float = 0.0, compiles: bool = False):
    model = kit.tiny_bert(dropout=dropout).cuda()
    plan = kit.plan_for(model, lr=5e-3)
    return kit.reduced_run(model, plan, tmp_path, compiles=compiles, precision="bf16", epochs=3)


@pytest.mark.parametrize("compiles", [False, True])
def test_recorded_passes_give_the_losses_of_others(kit, tmp_path, monkeypatch, compiles):
    reduced, recorded = trained(kit, tmp_path, compiles=compiles)
    assert reduced.compiled == compiles
    assert reduced.recorded is not None
    assert reduced.recorded.failed is None
    monkeypatch.setattr(reduced_module, "recorded_passes", lambda *_, **__: None)
    _, plain = trained(kit, tmp_path, compiles=compiles)
    for one, other in zip(plain.state.history, recorded.state.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)


@pytest.mark.parametrize("compiles", [False, True])
def test_the_same_seed_gives_the_same_bytes_with_dropout(kit, tmp_path, compiles):
    (first, one), (_, other) = (trained(kit, tmp_path, dropout=0.1, compiles=compiles) for _ in range(2))
    assert first.same_bits
    assert one.weights() == other.weights()
