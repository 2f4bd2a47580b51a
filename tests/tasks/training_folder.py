"""A folder with base, tokens and a plan, as the stages before a training leave them, and what one leaves."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import tokenize
from tritune.models.load import load_model
from tritune.pipeline.context import StageContext
from tritune.plan.tuning_plan import Group, Phase, TuningPlan
from tritune.sweep.result import Sweep

LABELS = ["garden", "kitchen", "travel"]
TRAIN = {"epochs": 3, "batch_size": 8, "patience": 3}
COMPUTE = {"threads": 1, "precision": "fp32", "device": "cpu"}


def base_and_rows(folder: Path, base: Path, topic_rows: Sequence[tuple[str, str]]) -> None:
    """Put the base model and ingested rows there: 100 to train on, 30 to validate, the rest to test."""
    (folder / "base").symlink_to(base)
    ingested = folder / "data" / "ingested"
    ingested.mkdir(parents=True)
    for split, rows in {
        "train": topic_rows[:100],
        "validation": topic_rows[100:130],
        "test": topic_rows[130:],
    }.items():
        ids = [f"{split}.csv:{i + 1}" for i in range(len(rows))]
        texts, labels = zip(*rows, strict=True)
        table = pa.table({"id": ids, "text": list(texts), "label": list(labels)})
        pq.write_table(table, ingested / f"{split}.parquet")
    (ingested / "labels.json").write_text(json.dumps(LABELS))


def fill(folder: Path, base: Path, topic_rows: Sequence[tuple[str, str]]) -> None:
    """Fill the current folder; the plan `m` freezes the embeddings, and its sweep changes nothing."""
    base_and_rows(folder, base, topic_rows)
    ctx = context(
        folder / "scratch-tokenize", "tokenize", ["data/ingested", "base"], ["data/tokens"], max_length=16
    )
    tokenize.run(ctx)
    (folder / "scratch-tokenize/outputs/data/tokens").rename(folder / "data/tokens")
    write_plan(folder)
    write_sweep(folder, Sweep(reason="the rates of the plan"))


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path, topic_rows, monkeypatch) -> Path:
    """A folder with base, tokens and a plan that freezes the embeddings, as the stages before leave them."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, tiny_base, topic_rows)
    return tmp_path


def write_sweep(folder: Path, sweep: Sweep) -> None:
    (folder / "sweeps/m").mkdir(parents=True, exist_ok=True)
    (folder / "sweeps/m/sweep.json").write_text(sweep.to_json())


def context(scratch: Path, stage: str, inputs: list[str], outputs: list[str], **params) -> StageContext:
    return StageContext(
        stage=stage,
        item={"method": "m", "seed": "13"},
        params={
            "task": "text_classification",
            "tokenize": {"max_length": params.get("max_length", 16)},
            "train": {**TRAIN, **params.get("train", {})},
            "compute": {**COMPUTE, **params.get("compute", {})},
        },
        inputs={path: Path(path) for path in inputs},
        outputs=tuple(outputs),
        scratch=scratch,
    )


def training_context(project: Path, scratch: str = "scratch", **params) -> StageContext:
    return context(
        project / scratch,
        "train@m-13",
        ["base", "data/ingested", "data/tokens", "plans/m", "sweeps/m"],
        ["checkpoints/m-13", "histories/m-13.parquet"],
        **params,
    )


def outputs(project: Path, scratch: str = "scratch") -> Path:
    return project / scratch / "outputs"


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_plan(
    project: Path, *, lr: float = 5e-3, leave_out: str = "", embeddings_learn: bool = False
) -> None:
    model, new = load_model(project / "base", objective="single_label", labels=LABELS, seed=13)
    groups = []
    for name, part in (("embeddings", True), ("body", False)):
        for decays in (True, False):
            tensors = [
                tensor
                for tensor, p in model.named_parameters()
                if (".embeddings." in tensor) == part and (p.ndim > 1) == decays and tensor != leave_out
            ]
            groups.append(
                Group(
                    name, tuple(tensors), 1, lr if embeddings_learn or not part else None, decays, None, 0.0
                )
            )
    plan = TuningPlan(
        architecture=type(model).__name__,
        kind="partial",
        groups=tuple(groups),
        phases=(Phase(0.0, ("embeddings", "body") if embeddings_learn else ("body",)),),
        new_tensors=tuple(new),
        layers=3,
        tensors_total=1,
        parameters_total=1,
        parameters_trainable=123,
        trained_compute_per_token=1.0,
        notes=(),
    )
    (project / "plans/m").mkdir(parents=True, exist_ok=True)
    (project / "plans/m/plan.json").write_text(plan.to_json())
