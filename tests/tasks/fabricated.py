"""A project whose trainings have been evaluated, made up: realistic numbers without any training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.evaluate import write_csv
from tritune.metrics.classification import classification_metrics, softmax
from tritune.pipeline.context import StageContext
from tritune.plan.tuning_plan import Group, Phase, TuningPlan
from tritune.sweep.result import Sweep
from tritune.task.text_classification.score import (
    calibration_rows,
    per_class_rows,
    prediction_table,
    temperature_rows,
)
from tritune.tokens import TokensInfo, TokenTable, write_tokens_info

INPUTS = (
    "metrics",
    "baseline",
    "evaluations",
    "histories",
    "plans",
    "sweeps",
    "data/ingested",
    "data/tokens/tokens.json",
)
OUTPUTS = ("results/report.html", "results/comparison.json", "results/comparison.csv")
COMPUTE = {"full": 9.1e6, "partial": 3.4e6, "adaptive": 9.1e6}
NASTY = '<script>alert("x")</script> & <b>bold</b> \x00\x1b[31m'


def fabricate(
    folder: Path,
    *,
    labels: Sequence[str] = ("billing", "delivery", "<i>other</i>"),
    skill: Mapping[str, float] | None = None,
    seeds: Sequence[int] = (13,),
    epochs: int = 3,
    rows: Mapping[str, int] | None = None,
) -> None:
    """Write everything that the stage `compare` reads, below `folder`."""
    skill = skill or {"full": 3.0, "partial": 2.9, "adaptive": 2.0}
    rows = rows or {"train": 900, "validation": 150, "test": 220}
    draw = np.random.default_rng(3)
    weights = 1.0 / (1 + np.arange(len(labels)))
    chosen = {s: draw.choice(len(labels), n, p=weights / weights.sum()) for s, n in rows.items()}
    write_ingested(folder / "data/ingested", labels=labels, classes=chosen)
    (folder / "data/tokens").mkdir(parents=True)
    info = TokensInfo(
        task="text_classification",
        objective="single_label",
        inputs=["text"],
        answering={},
        labels=list(labels),
        pad_token_id=0,
        max_length=128,
        counts={split: {"truncated": 2} for split in rows},
        examples=dict(rows),
        rows=dict(rows),
        tokens={split: 14 * count for split, count in rows.items()},
    )
    write_tokens_info(folder / "data/tokens", info)
    other = np.random.default_rng(5)
    words = {s: other.normal(size=(n, len(labels))) + np.eye(len(labels))[chosen[s]] for s, n in rows.items()}
    write_baseline(folder / "baseline", classes=chosen, logits={s: words[s] for s in ("validation", "test")})
    for method, ability in skill.items():
        trainable = 4_000_000 if method == "partial" else 22_700_000
        plan = TuningPlan(
            architecture="BertForSequenceClassification",
            kind=method,
            groups=(Group("head", ("classifier.weight",), trainable, 5e-4, True, None, 1.0),),
            phases=(Phase(0.0, ("head",), COMPUTE.get(method, 5e6)),),
            new_tensors=("classifier.weight",),
            layers=6,
            tensors_total=1,
            parameters_total=22_700_000,
            parameters_trainable=trainable,
            trained_compute_per_token=COMPUTE.get(method, 5e6),
            notes=(),
        )
        (folder / f"plans/{method}").mkdir(parents=True)
        (folder / f"plans/{method}/plan.json").write_text(plan.to_json())
        write_sweep(folder, method, Sweep(reason="the rates of the plan"))
        for seed in seeds:
            training = f"{method}-{seed}"
            logits = {
                split: draw.normal(size=(rows[split], len(labels)))
                + ability * np.eye(len(labels))[chosen[split]]
                for split in ("validation", "test")
            }
            write_evaluation(folder, training, labels=labels, classes=chosen, logits=logits)
            write(folder / f"evaluations/{training}/changes.json", changes_of(method, seed=seed))
            write_history(folder / f"histories/{training}.parquet", epochs=epochs, ability=ability, draw=draw)


def write_sweep(folder: Path, method: str, sweep: Sweep) -> None:
    (folder / f"sweeps/{method}").mkdir(parents=True, exist_ok=True)
    (folder / f"sweeps/{method}/sweep.json").write_text(sweep.to_json())


def write_ingested(folder: Path, *, labels: Sequence[str], classes: Mapping[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    splits = {}
    for split, chosen in classes.items():
        texts = [
            f"{NASTY if i % 7 == 0 else 'Where is it? ' * (1 + i % 9)} ({i})" for i in range(len(chosen))
        ]
        columns = {
            "id": [f"{split}.csv:{i + 1}" for i in range(len(chosen))],
            "text": texts,
            "label": [labels[index] for index in chosen],
        }
        pq.write_table(pa.table(columns), folder / f"{split}.parquet")
        counts = {label: int((chosen == index).sum()) for index, label in enumerate(labels)}
        splits[split] = {
            "rows": len(chosen),
            "distinct_texts": len(chosen),
            "rows_per_label": counts,
            "labels_without_rows": [label for label, count in counts.items() if not count],
            "characters": {"min": 3, "p05": 8, "p25": 20, "p50": 44, "p75": 61, "p95": 140, "max": 480},
        }
    dropped = {"train": {"repeated": {"why": "the same text came before", "rows": 12, "examples": ["a:1"]}}}
    profile = {
        "task": "text_classification",
        "labels": list(labels),
        "multi_label": False,
        "rows_given": {"train": 1282},
        "splits_cut_from_train": ["validation", "test"],
        "splits": splits,
        "dropped": dropped,
        "dropped_classes": {},
        "noticed_and_kept": {},
        "labels_trimmed": {},
    }
    write(folder / "profile.json", profile)
    write(folder / "labels.json", list(labels))


def write_baseline(
    folder: Path, *, classes: Mapping[str, np.ndarray], logits: Mapping[str, np.ndarray]
) -> None:
    folder.mkdir()
    tables, probabilities = token_tables(classes, logits), {s: softmax(v) for s, v in logits.items()}
    pq.write_table(prediction_table(tables, probabilities), folder / "predictions.parquet")
    scores = {s: classification_metrics(classes[s], probabilities[s]) for s in logits}
    write(folder / "baseline.json", {"name": "counted words", "scores": scores})


def token_tables(
    classes: Mapping[str, np.ndarray], logits: Mapping[str, np.ndarray]
) -> dict[str, TokenTable]:
    none = np.zeros(0, dtype=np.int32)
    return {
        split: TokenTable(
            pa.array([f"{split}.csv:{i + 1}" for i in range(len(values))], pa.string()),
            none,
            np.zeros(len(values) + 1, dtype=np.int64),
            classes[split].astype(np.int32),
        )
        for split, values in logits.items()
    }


def changes_of(method: str, *, seed: int, layers: int = 6) -> dict[str, Any]:
    """Return what a training may have changed: more towards the top, and nothing in four frozen layers."""
    names = ["embeddings", *(f"layer.{layer}" for layer in range(layers))]
    frozen = 5 if method == "partial" else 0
    shift = (seed - 13) * 1e-4
    moved = [0.0 if i < frozen else 0.004 * (i + 1) + shift for i in range(layers + 2)]
    return {
        "drift": [[name, value] for name, value in zip([*names, "final"], moved, strict=True)],
        "alike": [[name, 1.0 - 6 * value] for name, value in zip(names, moved, strict=False)],
        "probe": {
            "score": "accuracy",
            "values": [[name, 0.6 + 0.05 * i + shift] for i, name in enumerate(names)],
        },
    }


def write_evaluation(
    folder: Path,
    training: str,
    *,
    labels: Sequence[str],
    classes: Mapping[str, np.ndarray],
    logits: Mapping[str, np.ndarray],
) -> None:
    target = folder / "evaluations" / training
    target.mkdir(parents=True, exist_ok=True)
    tables = token_tables(classes, logits)
    probabilities = {split: softmax(values) for split, values in logits.items()}
    pq.write_table(prediction_table(tables, probabilities), target / "predictions.parquet")
    write_csv(
        target / "per_class.csv",
        ("split", "label", "rows", "predicted", "precision", "recall", "f1"),
        per_class_rows(tables, probabilities, labels=labels),
    )
    write_csv(
        target / "calibration.csv",
        ("split", "lower", "upper", "rows", "confidence", "accuracy"),
        calibration_rows(tables, probabilities),
    )
    write_csv(
        target / "temperature.csv",
        ("split", "temperature", "expected_calibration_error", "negative_log_likelihood"),
        temperature_rows(tables, logits, temperature=1.5),
    )
    write(target / "decided.json", {"temperature": 1.5})
    compute = {"device": "auto", "precision": "fp32", "threads": 1}
    write(target / "made_with.json", {"compute": compute, "versions": {"torch": "2.13.0+cpu"}})
    scores = {
        split: classification_metrics(table.labels, probabilities[split]) for split, table in tables.items()
    }
    write(folder / f"metrics/{training}.json", scores)


def write_history(path: Path, *, epochs: int, ability: float, draw: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    progress = 1 - np.exp(-np.arange(1, epochs + 1) / max(epochs / 4, 1))
    best = int(epochs * 0.7)
    losses = {
        "train_loss": 1.2 - 0.38 * ability * progress,
        "validation_loss": 1.15 - 0.3 * ability * progress + draw.normal(0, 0.01, epochs),
        "train_slice_loss": 1.1 - 0.38 * ability * progress,
    }
    rows = {
        "epoch": pa.array(range(1, epochs + 1), pa.int32()),
        "step": pa.array(range(29, 29 * epochs + 1, 29), pa.int32()),
        "learning_rate": np.linspace(5e-4, 0, epochs),
        **losses,
        "validation_accuracy": share(0.3 + 0.2 * ability * progress + draw.normal(0, 0.01, epochs)),
        "validation_macro_f1": share(0.25 + 0.2 * ability * progress + draw.normal(0, 0.01, epochs)),
        "train_slice_macro_f1": share(0.3 + 0.2 * ability * progress),
        "train_slice_examples": pa.array([100] * epochs, pa.int32()),
        "validation_loss_parts": loss_parts(losses["validation_loss"]),
        "train_slice_loss_parts": loss_parts(losses["train_slice_loss"]),
        "best": [epoch == best for epoch in range(epochs)],
    }
    table = pa.table(rows).replace_schema_metadata({"warnings": "[]"})
    pq.write_table(table, path)


def share(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 1)


def overfit(path: Path) -> None:
    """Have a history's validation loss rise from the second epoch on."""
    table = pq.read_table(path)
    losses = np.array([0.9, *np.linspace(0.5, 0.9, len(table) - 1)])
    for name, values in (("validation_loss", losses), ("validation_loss_parts", loss_parts(losses))):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, path)


def forget_the_watch(path: Path) -> None:
    """Make a history one of an earlier version: nothing of training rows in evaluation mode, and no parts."""
    table = pq.read_table(path)
    added = [name for name in table.column_names if "slice" in name or name.endswith("_parts")]
    pq.write_table(table.drop_columns(added), path)


def loss_parts(losses: np.ndarray) -> list[list[float]]:
    """Return [epochs][20] parts that add up to the losses, and differ as groups of examples do."""
    draw = np.random.default_rng(1)
    uneven = draw.normal(0, 0.002, 20)
    return [(loss / 20 + uneven - uneven.mean()).tolist() for loss in losses]


def compare_context(
    *, methods: Sequence[str] = ("full", "partial", "adaptive"), seeds: Sequence[int] = (13,), **more: Any
) -> StageContext:
    params = {
        "task": "text_classification",
        "methods": list(methods),
        "seeds": list(seeds),
        "train": {"epochs": more.pop("epochs", 3)},
        "compare": more.pop("compare", {"metric": "macro_f1", "rule": "cheapest_not_worse", "margin": 0.1}),
    }
    return StageContext(
        stage="compare",
        item={},
        params=params,
        inputs={name: Path(name) for name in INPUTS},
        outputs=OUTPUTS,
        scratch=Path(more.pop("scratch", "scratch")),
    )


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False), encoding="utf-8")
