"""A training on rows end to end is one on rows with padding, but for rounding."""

from dataclasses import replace

import pytest

from tritune.objectives.named import objective_named
from tritune.training.checkpoint import load_checkpoint, save_checkpoint
from tritune.training.reduced import reduce_training

SINGLE = objective_named("single_label")


def trained(kit, tmp_path, *, packs: bool, low=lambda _: False, dropout=0.0, precision="fp32", until=None):
    """Two epochs of a training as the stage drives it; stopped and gone on with after step `until`."""

    def run():
        model = kit.tiny_bert(dropout=dropout)
        plan = kit.plan_for(model, frozen=low, lr=5e-3)
        run = kit.Run(model, plan, precision=precision, epochs=2)
        reduced = reduce_training(
            model,
            plan,
            run.training,
            run.validation,
            objective=SINGLE,
            precision=precision,
            memo_gib=1.0,
            pad_token_id=0,
            memos=tmp_path,
        )
        run = kit.Run(model, plan, precision=precision, epochs=2, watches=True)
        run.training, run.validation = reduced.training, reduced.validation
        assert run.training.packed
        assert (run.training.prefix_output is not None) == low("layer.0.")
        if not packs:
            reduced._packing.remove()
            run.training, run.validation = (
                replace(table, packed=False) for table in (run.training, run.validation)
            )
        return run, reduced

    if until is not None:
        stopped, _ = run()
        for moment in stopped.moments():
            if moment.step == until:
                save_checkpoint(tmp_path / "state", stopped.state, extra={})
                break
    driven, reduced = run()
    if until is not None:
        load_checkpoint(tmp_path / "state", driven.state)
        assert driven.state.step == until
    driven.finish()
    reduced.undo(driven.state, driven.plan, settings=driven.settings)
    return driven


def lowest(name: str) -> bool:
    return ".embeddings." in name or "layer.0." in name


@pytest.mark.parametrize("low", [lambda _: False, lowest], ids=["all learn", "from a stored prefix"])
def test_the_losses_of_a_training_are_those_with_padding(kit, tmp_path, low):
    padded, packed = (trained(kit, tmp_path, packs=packs, low=low) for packs in (False, True))
    for one, other in zip(padded.state.history, packed.state.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)
        assert other["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-5)
        assert other["train_slice_loss"] == pytest.approx(one["train_slice_loss"], rel=1e-5)


def test_in_bf16_they_are_within_two_percent(kit, tmp_path):
    padded, packed = (trained(kit, tmp_path, packs=packs, precision="bf16") for packs in (False, True))
    for one, other in zip(padded.state.history, packed.state.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)


def test_the_same_seed_gives_the_same_bytes_gone_on_with_or_not(kit, tmp_path):
    whole, again, resumed = (
        trained(kit, tmp_path, packs=True, dropout=0.1, until=until) for until in (None, None, 9)
    )
    assert whole.weights() == again.weights() == resumed.weights()
    assert whole.state.history == resumed.state.history
    assert whole.state.loss_parts == resumed.state.loss_parts
