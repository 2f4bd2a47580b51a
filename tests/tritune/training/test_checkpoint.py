import json
from pathlib import Path

import pytest

from tritune.errors import InputError
from tritune.plan.tuning_plan import Phase
from tritune.training.checkpoint import checkpoint_bytes, load_checkpoint, save_checkpoint


def embeddings(name: str) -> bool:
    return ".embeddings." in name


def declining(outputs):
    """The first epoch is the best: a worse score each time, which depends on the weights."""
    declining.calls += 1
    return {"accuracy": 0.5, "macro_f1": 1.0 - 0.1 * declining.calls + 1e-6 * float(outputs.values[0, 0])}


def fresh(kit, model: str, **changes):
    net = kit.MODELS[model]()
    return kit.Run(net, kit.plan_for(net, frozen=embeddings), epochs=3, rows=30, **changes)


def stop_after(run, step: int, folder: Path) -> None:
    for moment in run.moments():
        if moment.step == step:
            save_checkpoint(folder, run.state, extra={"seconds": 1.5})
            return


# Four steps an epoch, three epochs.
@pytest.mark.parametrize("model", ["bert", "distilbert"])
@pytest.mark.parametrize("step", [1, 3, 4, 5, 8, 11, 12])
def test_going_on_from_any_step_equals_the_uninterrupted_training(kit, tmp_path, model, step):
    whole = fresh(kit, model).finish()
    stop_after(fresh(kit, model), step, tmp_path)
    resumed = fresh(
        kit,
        model,
    )
    assert load_checkpoint(tmp_path, resumed.state) == {"seconds": 1.5}
    assert resumed.state.step == step
    resumed.finish()
    assert resumed.weights() == whole.weights()
    assert resumed.state.history == whole.state.history
    assert [list(row) for row in resumed.state.history] == [list(row) for row in whole.state.history]
    assert resumed.state.loss_parts == whole.state.loss_parts
    assert resumed.state.best_epoch == whole.state.best_epoch


@pytest.mark.parametrize("step", [2, 4, 6, 8, 12])
def test_the_best_weights_survive_too(kit, tmp_path, step):
    def run():
        declining.calls = 0
        return fresh(kit, "bert", score=declining)

    whole = run().finish()
    assert whole.state.best_epoch == 1
    interrupted = run()
    stop_after(interrupted, step, tmp_path)
    resumed = fresh(kit, "bert", score=declining)
    load_checkpoint(tmp_path, resumed.state)
    assert resumed.finish().weights() == whole.weights()


def test_a_training_that_had_stopped_early_stays_stopped(kit, tmp_path):
    def run():
        declining.calls = 0
        return fresh(kit, "bert", score=declining, patience=1)

    whole = run().finish()
    assert len(whole.state.history) == 2
    stop_after(run(), 8, tmp_path)
    resumed = run()
    load_checkpoint(tmp_path, resumed.state)
    assert list(resumed.moments()) == []
    assert resumed.weights() == whole.weights()


def test_phases_go_on_where_they_were(kit, tmp_path):
    def run():
        net = kit.tiny_bert()
        phases = (Phase(0.0, ("head",)), Phase(0.5, ("body", "head")))
        return kit.Run(net, kit.plan_for(net, phases=phases), epochs=2, rows=32)

    whole = run().finish()
    for step in (2, 4, 5):
        stop_after(run(), step, tmp_path / str(step))
        resumed = run()
        load_checkpoint(tmp_path / str(step), resumed.state)
        assert resumed.finish().weights() == whole.weights()


def test_only_the_newest_is_kept(kit, tmp_path):
    run = fresh(kit, "bert")
    for _ in run.moments():
        save_checkpoint(tmp_path, run.state, extra={})
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000012"]


def test_no_checkpoint_is_none(kit, tmp_path):
    assert load_checkpoint(tmp_path / "nothing", fresh(kit, "bert").state) is None


def test_a_half_written_one_is_ignored_and_removed_later(kit, tmp_path):
    (tmp_path / "unfinished-step-000000009").mkdir()
    (tmp_path / "unfinished-step-000000009" / "state.json").write_text("{")
    run = fresh(kit, "bert")
    assert load_checkpoint(tmp_path, run.state) is None
    stop_after(run, 2, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000002"]


def spoil_tensors(folder: Path) -> None:
    content = bytearray((folder / "state.safetensors").read_bytes())
    content[-100] ^= 1
    (folder / "state.safetensors").write_bytes(content)


def spoil_state(folder: Path) -> None:
    sealed = json.loads((folder / "state.json").read_text())
    sealed["content"] = sealed["content"].replace('"best_epoch": 1', '"best_epoch": 2')
    (folder / "state.json").write_text(json.dumps(sealed))


def cut_state(folder: Path) -> None:
    (folder / "state.json").write_text((folder / "state.json").read_text()[:50])


def drop_tensors(folder: Path) -> None:
    (folder / "state.safetensors").unlink()


@pytest.mark.parametrize("spoil", [spoil_tensors, spoil_state, cut_state, drop_tensors])
def test_a_damaged_one_is_passed_over_for_an_older_one(kit, tmp_path, spoil):
    stop_after(fresh(kit, "bert"), 2, tmp_path / "older")
    stop_after(fresh(kit, "bert"), 5, tmp_path)
    (tmp_path / "older" / "step-000000002").rename(tmp_path / "step-000000002")
    spoil(tmp_path / "step-000000005")
    run = fresh(kit, "bert")
    load_checkpoint(tmp_path, run.state)
    assert run.state.step == 2
    spoil(tmp_path / "step-000000002") if spoil is not spoil_state else cut_state(tmp_path / "step-000000002")
    run = fresh(kit, "bert")
    untouched = run.weights()
    assert load_checkpoint(tmp_path, run.state) is None
    assert (run.state.step, run.weights()) == (0, untouched)


def test_the_checkpoint_of_another_plan_is_passed_over(kit, tmp_path):
    stop_after(fresh(kit, "bert"), 2, tmp_path)
    net = kit.tiny_bert()
    other = kit.Run(net, kit.plan_for(net))
    assert load_checkpoint(tmp_path, other.state) is None


def test_frozen_tensors_are_not_stored(kit, tmp_path):
    run = fresh(kit, "bert")
    stop_after(run, 1, tmp_path)
    learning = sum(p.nbytes for name, p in run.state.model.named_parameters() if not embeddings(name))
    size = (tmp_path / "step-000000001" / "state.safetensors").stat().st_size
    assert 3 * learning == checkpoint_bytes(run.state)
    assert 3 * learning < size < 3 * learning + 30_000


def test_a_training_gone_astray_is_not_stored(kit, tmp_path):
    run = fresh(kit, "bert")
    next(run.moments())
    run.state.first_bad_step.fill_(0)
    with pytest.raises(InputError, match="not a finite number at step 1"):
        save_checkpoint(tmp_path, run.state, extra={})
