"""Stage `baseline`: what a method scores that takes seconds and no pretrained model.

Reads `data/ingested`. Writes into `baseline` its predictions, in the form of the stage `evaluate`, and
`baseline.json`: its name and its scores, or null where the task has none. Validation and test rows are
scored, never learnt from.
"""

import json
from dataclasses import asdict

import pyarrow.parquet as pq

from tritune.metrics.catalogue import metric_title
from tritune.pipeline.context import StageContext
from tritune.task.contract import task_module


def run(ctx: StageContext) -> None:
    """Learn, predict, score."""
    ingested = ctx.input("data/ingested")
    made = task_module(ctx.params["task"], "baseline").baseline(ingested)
    folder = ctx.output_folder("baseline")
    content = None if made is None else asdict(made.floor)
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (folder / "baseline.json").write_text(text + "\n", encoding="utf-8")
    if made is None:
        print("this task has no baseline that takes seconds")
        return
    pq.write_table(made.predictions, folder / "predictions.parquet", compression="zstd")
    for split, scores in made.floor.scores.items():
        metric, value = next(iter(scores.items()))
        print(f"{split}: {made.floor.name}: {metric_title(metric)} {value:.4f}")
