"""A cell is what training and evaluating on its sample gives; the stage `report` reads what it writes."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from tasks import evaluate, prepare, sweep, tokenize, train
from tasks.advise import learn, report
from tests.tasks.training_folder import base_and_rows
from tritune.errors import InputError
from tritune.objectives import single_label
from tritune.pipeline.context import StageContext

PARAMS = {
    "task": "text_classification",
    "tokenize": {"max_length": 16},
    "methods": ["partial", "full"],
    "method.full": {"kind": "full", "lr": 1e-2},
    "method.partial": {"kind": "partial", "freeze_layers": 2, "lr": 1e-2},
    "train": {"epochs": 3, "batch_size": 8, "patience": 3},
    "compute": {"threads": 1, "precision": "fp32", "device": "cpu"},
    "generate": {},
    "compare": {},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_base: Path, topic_rows) -> Path:
    """A project as the stages up to `prepare` leave it, with three cells of 24 examples and one of all."""
    folder = tmp_path_factory.mktemp("advise")
    base_and_rows(folder, tiny_base, topic_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage(folder, tokenize, ["data/ingested", "base"], ["data/tokens"])
        for method in PARAMS["methods"]:
            stage(folder, prepare, ["base", "data/tokens"], [f"plans/{method}"], method=method)
            inputs = ["base", "data/tokens", f"plans/{method}"]
            stage(folder, sweep, inputs, [f"sweeps/{method}"], method=method)
        for size, seed in (("24", "13"), ("24", "14"), ("24", "15"), ("all", "13")):
            cell(folder, size, seed)
    return folder


def stage(folder: Path, body, inputs, outputs, *, keep: bool = False, **item) -> StageContext:
    """Run a stage's body and put its outputs in their places."""
    ctx = StageContext(
        stage="a stage",
        item=item,
        params=PARAMS,
        inputs={path: Path(path) for path in inputs},
        outputs=tuple(outputs),
        scratch=folder / "scratch" / "-".join([body.__name__, *item.values()]),
        memos=folder / "memos",
    )
    ctx.scratch.mkdir(parents=True, exist_ok=True)
    body.run(ctx)
    for path in [] if keep else outputs:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (ctx.scratch / "outputs" / path).rename(folder / path)
    if not keep:
        shutil.rmtree(ctx.scratch)
    return ctx


def cell(folder: Path, size: str, seed: str, *, name: str | None = None, keep: bool = False) -> StageContext:
    inputs = ["base", "data/ingested", "data/tokens", "plans", "sweeps"]
    outputs = [f"advise/cells/{name or f'{size}-{seed}'}"]
    return stage(folder, learn, inputs, outputs, keep=keep, size=size, seed=seed)


@pytest.fixture
def project(folder: Path, monkeypatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_all_examples_score_as_training_and_evaluation_do(project):
    stage(
        project,
        train,
        ["base", "data/ingested", "data/tokens", "plans/partial", "sweeps/partial"],
        ["checkpoints/partial-13", "histories/partial-13.parquet"],
        method="partial",
        seed="13",
    )
    stage(
        project,
        evaluate,
        ["base", "checkpoints/partial-13", "data/ingested", "data/tokens"],
        ["evaluations/partial-13", "metrics/partial-13.json"],
        method="partial",
        seed="13",
    )
    cell_scores = read(project / "advise/cells/all-13/partial/scores.json")
    expected = read(project / "metrics/partial-13.json")
    assert {split: cell_scores[split] for split in ("validation", "test")} == expected
    history = pq.read_table(project / "histories/partial-13.parquet")
    assert cell_scores["evaluations"] == history.num_rows
    own, other = (
        pq.read_table(project / path / "predictions.parquet")
        for path in ("advise/cells/all-13/partial", "evaluations/partial-13")
    )
    assert own.equals(other)


def test_a_small_sample_is_passed_over_more_often(project):
    small, whole = (read(project / f"advise/cells/{size}-13/cell.json") for size in ("24", "all"))
    assert (whole["examples"], whole["evaluations"], whole["passes_each"]) == (100, 3, 1)
    # 13 steps a pass make 39 in all; of 3 steps a pass that is 13 passes, 3 before each of 5 evaluations.
    assert (small["examples"], small["evaluations"], small["passes_each"]) == (24, 5, 3)
    assert small["classes_without_examples"] == 0
    assert small["tokens"] < whole["tokens"]


def test_out_of_memory_ends_with_advice(project, monkeypatch):
    def short_of_memory(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(single_label, "loss_sum", short_of_memory)
    with pytest.raises(InputError, match=r"^the training of partial ran out of memory; set comp"):
        cell(project, "24", "99", keep=True)
    shutil.rmtree(project / "scratch")


def test_each_seed_has_answers_of_its_own_and_the_same_again(project):
    first = project / "advise/cells/24-13/full/predictions.parquet"
    other = project / "advise/cells/24-14/full/predictions.parquet"
    assert first.read_bytes() != other.read_bytes()
    ctx = cell(project, "24", "13", keep=True)
    again = ctx.scratch / "outputs/advise/cells/24-13/full/predictions.parquet"
    assert again.read_bytes() == first.read_bytes()


def test_what_is_done_when_it_is_stopped_is_not_done_again(project, monkeypatch):
    real, begun = learn.learn, []

    def stopped(given, plan, *, method, **more):
        begun.append(method)
        if method == "full" and len(begun) == 2:
            raise KeyboardInterrupt
        return real(given, plan, method=method, **more)

    monkeypatch.setattr(learn, "learn", stopped)
    monkeypatch.setattr(StageContext, "output_folder", lambda ctx, path: fresh(ctx.scratch / path))
    with pytest.raises(KeyboardInterrupt):
        cell(project, "30", "13", keep=True)
    ctx = cell(project, "30", "13", keep=True)
    assert begun == ["partial", "full", "full"]
    assert ctx.measurements["resumed"]


def fresh(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def test_the_report_reads_all_cells_and_says_how_many_seeds_there_are(project):
    ctx = stage(
        project,
        report,
        ["advise/cells", "data/tokens/tokens.json", "plans"],
        ["advise/advice.json", "advise/report.html"],
        keep=True,
    )
    advice = read(ctx.scratch / "outputs/advise/advice.json")
    assert [(one["size"], one["examples"], len(one["seeds"])) for one in advice["sizes"]] == [
        ("24", 24, 3),
        ("all", 100, 1),
    ]
    scores = [
        read(project / f"advise/cells/24-{seed}/full/scores.json")["validation"]["macro_f1"]
        for seed in (13, 14, 15)
    ]
    full = next(one for one in advice["sizes"][0]["methods"] if one["method"] == "full")
    assert full["validation"]["each"] == scores
    assert full["validation"]["mean"] == pytest.approx(sum(scores) / 3)
    assert advice["tests"] == 1
    assert advice["verdict"][0].startswith("With 24 labelled examples ")
    told = [one for one in advice["cautions"] if one.startswith("100 examples: one seed")]
    assert len(told) == 1
    assert told[0].startswith("100 examples: one seed, too few to show anything")
    page = (ctx.scratch / "outputs/advise/report.html").read_text()
    assert f"{full['validation']['mean']:.4f}" in page


def test_without_a_cell_the_report_says_what_to_do(project, tmp_path, monkeypatch):
    (tmp_path / "advise/cells").mkdir(parents=True)
    for name in ("data", "plans"):
        (tmp_path / name).symlink_to(project / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^advise/cells holds nothing to report on; .*`tritune advise`$"):
        stage(
            tmp_path,
            report,
            ["advise/cells", "data/tokens/tokens.json", "plans"],
            ["advise/advice.json", "advise/report.html"],
        )


def test_no_checkpoint_is_kept(project):
    kept = {path.suffix for path in (project / "advise").rglob("*") if path.is_file()}
    assert kept == {".json", ".parquet"}
