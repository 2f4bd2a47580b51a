import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tasks import sweep, train
from tests.tasks.training_folder import LABELS, TRAIN, context, fill, write_plan
from tritune.errors import InputError
from tritune.models.load import load_model
from tritune.objectives import single_label
from tritune.pipeline.context import StageContext
from tritune.plan.scaled import scaled
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import TrainSettings
from tritune.sweep import search, trial
from tritune.sweep.result import Sweep
from tritune.tokens import read_tokens, read_tokens_info
from tritune.training.batches import epoch_batches
from tritune.training.progress import StepProgress, parse_progress

ROOT = Path(__file__).parents[2]
SWEPT = {"kind": "full", "lr": "sweep"}
NORMS = {"kind": "adaptive", "rates": "gradient_norm"}


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path, topic_rows, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(search, "OCTAVES", (-1, 0, 1))  # fewer than usual, for speed
    fill(tmp_path, tiny_base, topic_rows)
    return tmp_path


def sweep_context(project: Path, scratch: str = "scratch", *, method=SWEPT, **params) -> StageContext:
    params = {"train": {"batch_size": 16, **params.pop("train", {"epochs": 2})}, **params}
    ctx = context(project / scratch, "sweep@m", ["base", "data/tokens", "plans/m"], ["sweeps/m"], **params)
    ctx.scratch.mkdir(exist_ok=True)
    return replace(ctx, item={"method": "m"}, params={**ctx.params, "method.m": method})


def run(project: Path, scratch: str = "scratch", **more) -> Sweep:
    sweep.run(sweep_context(project, scratch, **more))
    return Sweep.from_json((folder(project, scratch) / "sweep.json").read_text())


def folder(project: Path, scratch: str = "scratch") -> Path:
    return project / scratch / "outputs/sweeps/m"


def test_a_rate_far_too_low_is_raised(project, capsys):
    write_plan(project, lr=5e-4)
    found = run(project, train={"epochs": 12, "batch_size": 8})
    assert found.factor > 2
    assert found.planned_lr == 5e-4
    assert found.training_steps == 12 * 13
    assert [(one.epochs, one.steps, one.kept) for one in found.rounds] == [(2, 20, 3), (6, 78, 1)]
    # The best of the short trainings, or what lies beside it, for one twice as long.
    last = [one for one in found.trials if one.round == 1]
    best = min(
        {one.octave for one in last}, key=lambda octave: sum(t.loss for t in last if t.octave == octave)
    )
    assert abs(np.log2(found.factor) - (best - 0.5)) <= 0.5
    assert "for a training 2 times as long" in found.reason
    assert found.steps == sum(found.rounds[one.round].steps for one in found.trials)
    assert {one.seed for one in found.trials} == set(search.SEEDS)
    said = capsys.readouterr().out
    first = "round 1/2, 20 steps, seed 1: 0.5 times the plan's rate, validation loss"
    assert f"{first} {found.trials[0].loss:.4f}" in said
    rate = (
        f"the sweep took {5e-4 * found.factor:.1e}, {found.factor:.2g} times the plan's rate, by validation"
    )
    assert found.reason.startswith(rate)
    assert [line for line in map(parse_progress, said.splitlines()) if isinstance(line, StepProgress)]


def test_where_the_short_trainings_learn_nothing_the_plan_s_rate_is_kept(project):
    write_plan(project, lr=1e-9)
    found = run(project)
    assert found.factor == 1.0
    assert re.fullmatch(
        r"the plan's rate is kept, for the sweep's short trainings learnt nothing \(validation loss 1\.\d{4} "
        r"before, 1\.\d{4} after the best\); more epochs make them longer",
        found.reason,
    )
    assert found.trials


def test_the_curve_has_a_row_a_training_and_the_test_split_is_not_read(project):
    (project / "data/tokens/test.arrow").unlink()
    found = run(project)
    rows = list(csv.DictReader((folder(project) / "curve.csv").open()))
    assert [float(row["validation_loss"]) for row in rows] == [one.loss for one in found.trials]
    assert [float(row["learning_rate"]) for row in rows] == [5e-3 * one.factor for one in found.trials]


def test_two_runs_give_the_same_bytes_and_so_does_one_that_was_stopped(project, monkeypatch):
    (project / "one").mkdir()
    (project / "one/trials.json").write_text('[{"round": 0,')  # of an earlier run, broken: no harm
    run(project, "one")
    text = (folder(project, "one") / "sweep.json").read_bytes()
    trained = []
    original = trial.Start.train

    def stopping(self, plan, length):
        trained.append(length)
        if len(trained) == 5:
            raise KeyboardInterrupt
        return original(self, plan, length)

    monkeypatch.setattr(trial.Start, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(project, "stopped")
    stored = json.loads((project / "stopped/trials.json").read_text())
    assert len(stored) == 4
    again = run(project, "stopped")
    assert len(trained) == 5 + len(again.trials) - 4
    assert (folder(project, "stopped") / "sweep.json").read_bytes() == text


def test_the_first_training_sees_the_rows_of_a_training_s_first_steps(project):
    start = ready(project)
    length = trial.Length(epochs=1, steps=3)
    rows = trial.first_rows(start.training, length, batch_size=8, seed=13)
    batches = np.concatenate(epoch_batches(100, batch_size=8, seed=13, epoch=0)[:3])
    assert rows.row_ids.to_pylist() == start.training.row_ids.take(batches).to_pylist()
    whole = trial.Length(epochs=2, steps=13)
    assert trial.first_rows(start.training, whole, batch_size=8, seed=13) is start.training


@pytest.mark.parametrize(
    ("share", "per_epoch", "epochs", "length"),
    [
        (1.0, 13, 3, (3, 13)),
        (1 / 3, 13, 3, (1, 13)),
        (1 / 8, 13, 3, (1, 5)),
        (1 / 2, 13, 3, (2, 10)),
        (1 / 8, 1, 1, (1, 1)),
        (1 / 8, 100, 20, (3, 83)),
    ],
)
def test_a_share_of_a_training_is_whole_epochs_on_some_of_the_rows(share, per_epoch, epochs, length):
    assert trial.length_of(share, per_epoch=per_epoch, epochs=epochs) == trial.Length(*length)


def ready(project: Path, *, seed: int = 13) -> trial.Start:
    tokens = project / "data/tokens"
    info, validation = read_tokens_info(tokens), read_tokens(tokens / "validation.arrow")
    setting = trial.Setting(
        method="m",
        base=project / "base",
        info=info,
        training=read_tokens(tokens / "train.arrow"),
        validation=validation,
        settings=TrainSettings(**TRAIN),
        precision="fp32",
        device=torch.device("cpu"),
        memo_gib=0.0,
        recompute=False,
        memos=project / "memos",
        score=trial.judge(info, validation),
    )
    return trial.Start(setting, plan_of(project), seed=seed)


def plan_of(project: Path) -> TuningPlan:
    return TuningPlan.from_json((project / "plans/m/plan.json").read_text())


def last_losses(start: trial.Start, plan: TuningPlan, length: trial.Length) -> list[float]:
    moments = start.train(plan, length)
    return [moment.scores["validation_loss"] for moment in moments if moment.scores is not None]


def test_one_of_whole_length_is_the_training_from_that_seed_and_leaves_nothing_behind(project):
    inputs = ["base", "data/ingested", "data/tokens", "plans/m", "sweeps/m"]
    outputs = ["checkpoints/m-13", "histories/m-13.parquet"]
    train.run(context(project / "scratch-train", "train@m-13", inputs, outputs))
    history = pq.read_table(project / "scratch-train/outputs/histories/m-13.parquet")
    start, whole = ready(project), trial.Length(epochs=3, steps=13)
    for _ in range(2):
        assert last_losses(start, plan_of(project), whole) == history["validation_loss"].to_pylist()
        last_losses(start, scaled(plan_of(project), 4.0), trial.Length(epochs=1, steps=5))


def test_a_rate_that_no_training_can_bear_is_named(project, monkeypatch):
    monkeypatch.setattr(search, "LOWEST", -3)
    write_plan(project, lr=8e30)
    with pytest.raises(InputError) as error:
        run(project)
    assert str(error.value) == (
        "method.m.lr: sweep found no rate that a training can bear: at each of those tried, down to 1.0e+30, "
        "the loss is not a finite number; set compute.precision to fp32, or lr to a still lower number"
    )


def test_where_params_yaml_gives_every_rate_nothing_is_trained(project, monkeypatch):
    monkeypatch.setattr(trial.Start, "train", None)
    plan = plan_of(project)
    fixed = replace(plan, groups=tuple(replace(group, fixed=group.lr is not None) for group in plan.groups))
    (project / "plans/m/plan.json").write_text(fixed.to_json())
    with pytest.raises(InputError) as error:
        run(project)
    assert str(error.value) == (
        "method.m.lr: sweep has nothing to find, for params.yaml gives the rate of all that learns as a "
        "number; leave one out (head_lr, body_lr or a pattern of rates), or leave out lr"
    )


def test_out_of_memory_ends_with_advice_and_is_no_rate_that_led_astray(project, monkeypatch):
    def short_of_memory(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(single_label, "loss_sum", short_of_memory)
    with pytest.raises(InputError) as error:
        run(project)
    assert str(error.value).startswith(
        "a training of the sweep ran out of memory; set compute.recompute_activations: true (the same result"
    )
    assert not (project / "scratch/trials.json").exists()


def test_a_plan_of_another_model_is_refused(project):
    write_plan(project, leave_out="classifier.bias")
    with pytest.raises(InputError, match=r"plans/m/plan.json is not a plan for the model in base"):
        run(project)


def test_tokens_of_another_task_are_refused(project):
    path = project / "data/tokens/tokens.json"
    path.write_text(path.read_text().replace("text_classification", "question_answering"))
    with pytest.raises(InputError, match=r"holds the task question_answering, but params.yaml has task: t"):
        run(project)


def test_by_gradient_norm_each_part_has_a_factor_and_no_rate_is_sought(project):
    found = run(project, method=NORMS)
    assert not found.trials
    assert found.factor == 1.0
    assert found.reason == "each part's rate is in proportion to its relative gradient norm"
    assert found.parts == {one.part: one.proposed for one in found.gradient_norms}
    # The plan has two groups: embeddings, which are frozen, and a body with the new head in it.
    assert found.parts == {"body": 1.0}
    model, _ = load_model(project / "base", objective="single_label", labels=LABELS, seed=1)
    weights = [p for name, p in model.named_parameters() if ".embeddings." not in name]
    norm = float(torch.cat([p.detach().double().flatten() for p in weights]).norm())
    assert found.gradient_norms[0].weights == pytest.approx(norm)


def test_the_rate_is_sought_around_the_parts_own(project):
    found = run(project, method={**NORMS, "lr": "sweep"})
    assert found.trials
    assert found.parts
    assert found.reason.endswith("; each part's rate is in proportion to its relative gradient norm")


@pytest.mark.parametrize("lr", ["auto", 1e-3])
def test_without_a_sweep_it_says_so_and_loads_neither_torch_nor_the_base(project, lr):
    (project / "base").unlink()
    code = (
        "import sys; from pathlib import Path; from tasks import sweep; "
        "from tritune.pipeline.context import StageContext; "
        f"params = {{'task': 'text_classification', 'train': {{}}, 'compute': {{}}, "
        f"'method.m': {{'kind': 'full', 'lr': {lr!r}}}}}; "
        "sweep.run(StageContext('sweep@m', {'method': 'm'}, params, {}, ('sweeps/m',), Path('quick'))); "
        "print(sorted({'torch', 'transformers', 'numpy', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "the rates of the plan, for params.yaml asks for no sweep\n[]\n", done.stderr
    found = Sweep.from_json((folder(project, "quick") / "sweep.json").read_text())
    assert found == Sweep(reason="the rates of the plan, for params.yaml asks for no sweep")
    plan = plan_of(project)
    assert found.applied_to(plan) == plan
