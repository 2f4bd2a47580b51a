"""A comparison as one writes it around Trainer: tokenize, train each method from each seed, score.

Prints the mean test accuracy of each method as JSON. It takes splits, base model and peak rates from a clone
in which this project's comparison ran, and nothing else: benchmarks/whole_flow.py times both.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from benchmarks.one_training import trainer_of
from tritune.models.load import load_model
from tritune.plan.tuning_plan import TuningPlan


def main() -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer

    name, folder, work = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(work["threads"])
    tokenizer = AutoTokenizer.from_pretrained(folder / "base", local_files_only=True)
    splits: dict[str, Any] = {}
    labels: list[str] = []
    for split in ("train", "validation", "test"):
        rows = pq.read_table(folder / f"data/ingested/{split}.parquet", columns=["text", "label"])
        labels = labels or sorted(set(rows.column("label").to_pylist()))
        cut = tokenizer(rows.column("text").to_pylist(), truncation=True, max_length=work["max_length"])
        numbers = [labels.index(label) for label in rows.column("label").to_pylist()]
        splits[split] = Dataset.from_dict({"input_ids": cut["input_ids"], "labels": numbers})
    scores: dict[str, list[float]] = {}
    for method in work["methods"]:
        plan = TuningPlan.from_json((folder / f"plans/{method}/plan.json").read_text("utf-8"))
        for seed in work["seeds"]:
            model, _ = load_model(folder / "base", objective="single_label", labels=labels, seed=seed)
            with tempfile.TemporaryDirectory() as output:
                trainer = trainer_of(
                    model,
                    plan,
                    splits["train"],
                    splits["validation"],
                    tokenizer=tokenizer,
                    output=output,
                    work={**work, "seed": seed},
                    at_its_best=name == "trainer_at_best",
                )
                trainer.train()
                answer = trainer.predict(splits["test"])
            right = np.argmax(answer.predictions, axis=1) == answer.label_ids
            scores.setdefault(method, []).append(float(np.mean(right)))
    print(json.dumps({method: float(np.mean(values)) for method, values in scores.items()}))


if __name__ == "__main__":
    main()
