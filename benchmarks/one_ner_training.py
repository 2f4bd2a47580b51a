"""One training of entities, by us or by the recipe of transformers' example. Prints its numbers as JSON."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tritune.compute import prepare_torch
from tritune.inference import model_outputs
from tritune.metrics.entities import entity_metrics
from tritune.models.load import load_model
from tritune.objectives.named import objective_named
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import ComputeSettings, TrainSettings
from tritune.task.contract import Split
from tritune.task.named_entity_recognition.score import scorer
from tritune.tokens import IGNORED, TokensInfo, TokenTable, read_tokens, read_tokens_info


def main() -> None:
    name, folder, work = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    info = read_tokens_info(folder / "data/tokens")
    device = prepare_torch(ComputeSettings(threads=work["threads"]))
    model, _ = load_model(folder / "base", objective="token_labels", labels=info.labels, seed=work["seed"])
    model.to(device)
    train = {"tritune": train_with_ours, "example": train_with_the_example}[name]
    started = time.monotonic()
    result = train(model, folder, info, work)
    print(json.dumps({"seconds": time.monotonic() - started, **result}))


def tables(folder: Path) -> dict[str, TokenTable]:
    names = ("train", "validation", "test")
    return {name: read_tokens(folder / f"data/tokens/{name}.arrow") for name in names}


def train_with_ours(model: Any, folder: Path, info: TokensInfo, work: dict[str, Any]) -> dict[str, float]:
    """Train as the stage `train` does, and return the scores of the best epoch's model on the test split."""
    from tritune.training.loop import train
    from tritune.training.optimizer import plan_optimizer
    from tritune.training.reduced import reduce_training
    from tritune.training.state import TrainingState

    settings = TrainSettings(**work["train"])
    plan = TuningPlan.from_json((folder / "plans/full/plan.json").read_text(encoding="utf-8"))
    parts = tables(folder)
    objective, device = objective_named("token_labels"), next(model.parameters()).device
    reduced = reduce_training(
        model,
        plan,
        parts["train"],
        parts["validation"],
        objective=objective,
        precision="fp32",
        memo_gib=ComputeSettings().prefix_memo_gib,
        pad_token_id=info.pad_token_id,
        memos=folder / "memos",
    )
    state = TrainingState(model, plan_optimizer(model, plan, weight_decay=settings.weight_decay))
    score = {
        name: scorer(
            Split(name, folder / f"data/tokens/{name}.arrow", folder / f"data/ingested/{name}.parquet"), info
        )
        for name in ("validation", "test")
    }
    for _ in train(
        state,
        plan,
        reduced.training,
        reduced.validation,
        objective=objective,
        settings=settings,
        monitor="entity_f1",
        precision="fp32",
        device=device,
        pad_token_id=info.pad_token_id,
        seed=work["seed"],
        score=score["validation"],
        recorded=reduced.recorded,
    ):
        pass
    reduced.undo(state, plan, settings=settings)
    outputs = model_outputs(
        model, parts["test"], objective=objective, pad_token_id=info.pad_token_id, device=device
    )
    return {**score["test"](outputs), "best_epoch": float(state.best_epoch)}


def train_with_the_example(
    model: Any, folder: Path, info: TokensInfo, work: dict[str, Any]
) -> dict[str, float]:
    """Train as run_ner.py of transformers' examples does: Trainer, its collator, its scores by seqeval.

    Source: https://github.com/huggingface/transformers/tree/main/examples/pytorch/token-classification. It
    keeps the last epoch's model.
    """
    from datasets import Dataset
    from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
    from transformers import AutoTokenizer, DataCollatorForTokenClassification, Trainer, TrainingArguments

    def dataset(table: TokenTable) -> Any:
        rows = range(table.rows)
        return Dataset.from_dict(
            {
                "input_ids": [table.row(row).tolist() for row in rows],
                "labels": [table.row_labels(row).tolist() for row in rows],
            }
        )

    parts = {name: dataset(table) for name, table in tables(folder).items()}
    settings = work["train"]
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder / "trainer"),
            num_train_epochs=settings["epochs"],
            per_device_train_batch_size=settings["batch_size"],
            per_device_eval_batch_size=settings["batch_size"],
            learning_rate=work["lr"],
            lr_scheduler_type="linear",
            warmup_steps=0.1,
            weight_decay=0.01,
            max_grad_norm=1.0,
            seed=work["seed"],
            eval_strategy="epoch",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        ),
        train_dataset=parts["train"],
        eval_dataset=parts["validation"],
        data_collator=DataCollatorForTokenClassification(
            AutoTokenizer.from_pretrained(folder / "base", local_files_only=True)
        ),
    )
    trainer.train()
    answer = trainer.predict(parts["test"])
    best = np.argmax(answer.predictions, axis=2)
    gold, predicted = [], []
    for row, labels in zip(best, answer.label_ids, strict=True):
        asked = labels != IGNORED
        gold.append([info.labels[label] for label in labels[asked]])
        predicted.append([info.labels[label] for label in row[asked]])
    scores = {
        "entity_f1": f1_score(gold, predicted),
        "entity_precision": precision_score(gold, predicted),
        "entity_recall": recall_score(gold, predicted),
        "accuracy": accuracy_score(gold, predicted),
    }
    ours = entity_metrics(gold, predicted)
    if any(abs(ours[name] - value) > 1e-9 for name, value in scores.items()):
        raise SystemExit(f"seqeval says {scores}, and we say {ours}")
    return {**{name: float(value) for name, value in scores.items()}, "best_epoch": settings["epochs"]}


if __name__ == "__main__":
    main()
