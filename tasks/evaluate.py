"""Stage `evaluate`: one checkpoint on the validation and the test split.

Reads `checkpoints/METHOD-SEED`, `data/tokens`, the rows as ingested, and `base`, which some tasks compare
with. Writes `metrics/METHOD-SEED.json`, and into `evaluations/METHOD-SEED` every prediction, the task's
tables and floor, what training changed in the model, and what it was computed with.
"""

import csv
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from tritune.compute import chosen_precision, prepare_torch
from tritune.errors import InputError
from tritune.explanation.changes import changes
from tritune.inference import model_outputs
from tritune.metrics.catalogue import main_metric, metric_title, metrics_of
from tritune.models.finetuned import FineTuned, load_finetuned
from tritune.models.load import load_model
from tritune.outputs import Outputs
from tritune.pipeline.context import StageContext
from tritune.settings.model import GenerateSettings
from tritune.settings.train import ComputeSettings
from tritune.task.contract import DECIDED, Evaluation, Split, task_module
from tritune.tokens import TokensInfo, read_tokens, tokens_info_for
from tritune.training.reduced import leave_out_padding
from tritune.training.start_above import start_above
from tritune.versions import installed_versions

EVALUATED = ("validation", "test")


class Run:
    """A checkpoint and the splits that it is asked about; see `tritune.task.contract.EvaluationRun`."""

    def __init__(
        self,
        tuned: FineTuned,
        info: TokensInfo,
        *,
        folder: Path,
        base: Path,
        seed: int,
        device: torch.device,
        compute: ComputeSettings,
        generate: GenerateSettings,
        memos: Path,
    ) -> None:
        self.info = info
        self.model = tuned.model.to(device)
        self.device = device
        self.folder = folder
        self.generate = generate
        self._base, self._seed = base, seed
        self._untouched: PreTrainedModel | None = None
        self._objective = tuned.objective
        self._precision = chosen_precision(compute, device)
        self._memo_gib, self._memos = compute.prefix_memo_gib, memos
        self._frozen_layers = tuned.frozen_layers
        self._outputs: dict[str, Outputs] = {}

    def outputs(self, split: Split) -> Outputs:
        """Return what the model gives for every row of the split's token table; computed once."""
        if split.name not in self._outputs:
            self._outputs[split.name] = self._asked(self.model, split)
        return self._outputs[split.name]

    def mean_loss(self, split: Split) -> float:
        """Return its mean loss on them, in nats per term."""
        return self._objective.mean_loss(self.outputs(split), read_tokens(split.tokens))

    def untouched_loss(self, split: Split) -> float:
        """Return the mean loss of the base model on them, before any training. It is loaded for that."""
        return self._objective.mean_loss(self._asked(self.untouched(), split), read_tokens(split.tokens))

    def untouched(self) -> PreTrainedModel:
        """Return the model as its training began, new parts from its seed; loaded when first asked for."""
        if self._untouched is None:
            self._untouched, _ = load_model(
                self._base, objective=self._objective.name, labels=self.info.labels, seed=self._seed
            )
            self._untouched.config.pad_token_id = self.info.pad_token_id
            self._untouched.to(self.device).eval()
        return self._untouched

    def _asked(self, model: PreTrainedModel, split: Split) -> Outputs:
        # The base's lowest layers give the same in every method that froze them, and untouched.
        prefix, (table,) = start_above(
            model,
            self._frozen_layers,
            [read_tokens(split.tokens)],
            objective=self._objective,
            precision=self._precision,
            memo_gib=self._memo_gib,
            pad_token_id=self.info.pad_token_id,
            memos=self._memos,
        )
        packing, (table,) = leave_out_padding(
            model, prefix, [table], objective=self._objective, pad_token_id=self.info.pad_token_id
        )
        try:
            return model_outputs(
                model,
                table,
                objective=self._objective,
                pad_token_id=self.info.pad_token_id,
                device=self.device,
                precision=self._precision,
            )
        finally:
            for hooks in (packing, prefix):
                if hooks is not None:
                    hooks.remove()


def run(ctx: StageContext) -> None:
    """Predict every row once and score the predictions.

    Raises:
        InputError: The checkpoint was trained for something else than the tokens, or a split has no rows.
    """
    name = f"{ctx.item['method']}-{ctx.item['seed']}"
    compute = ComputeSettings(**ctx.params["compute"])
    generate = GenerateSettings(**ctx.params["generate"])
    tokens = ctx.input("data/tokens")
    info = tokens_info_for(ctx.params["task"], tokens)
    checkpoint = ctx.input(f"checkpoints/{name}")
    splits = [
        Split(split, tokens / f"{split}.arrow", ctx.input(f"data/ingested/{split}.parquet"))
        for split in EVALUATED
    ]
    for split in EVALUATED:
        if info.rows[split] == 0:
            raise InputError(f"the {split} split has no rows to evaluate on; see data/ingested/profile.json")
    device = prepare_torch(compute)
    disable_progress_bar()  # a log is no place for transformers' bar
    tuned = load_finetuned(checkpoint)
    if (tuned.objective.name, tuned.labels) != (info.objective, info.labels):
        raise InputError(
            f"{checkpoint} was trained for {tuned.objective.name} with {len(tuned.labels)} labels, but "
            f"{tokens} are for {info.objective} with {len(info.labels)}, or in another order; train again "
            "with `tritune run`"
        )
    asked = Run(
        tuned,
        info,
        folder=checkpoint,
        base=ctx.input("base"),
        seed=int(ctx.item["seed"]),
        device=device,
        compute=compute,
        generate=generate,
        memos=ctx.memos,
    )

    started = time.monotonic()
    evaluation = task_module(info.task, "score").evaluate(asked, splits)
    seconds = time.monotonic() - started
    rows = sum(info.rows[split] for split in EVALUATED)
    ctx.measurements.update(
        prediction_seconds=seconds, examples_per_second=rows / seconds if seconds > 0 else None
    )
    scores = wanted_scores(evaluation, info)
    started = time.monotonic()
    changed = changes(
        asked.untouched(),
        asked.model,
        objective=info.objective,
        labels=info.labels,
        training=read_tokens(tokens / "train.arrow"),
        validation=read_tokens(splits[0].tokens),
        pad_token_id=info.pad_token_id,
        precision=chosen_precision(compute, device),
    )
    ctx.measurements["explanation_seconds"] = time.monotonic() - started
    folder = ctx.output_folder(f"evaluations/{name}")
    write_json(folder / "changes.json", changed)
    write_predictions(folder, evaluation)
    for file, (columns, lines) in evaluation.tables.items():
        write_csv(folder / file, columns, lines)
    if evaluation.floor is not None:
        write_json(folder / "floor.json", asdict(evaluation.floor))
    if evaluation.decided:
        write_json(folder / DECIDED, evaluation.decided)
    made_with = {**compute.model_dump(), "precision": chosen_precision(compute, device)}
    write_json(folder / "made_with.json", {"compute": made_with, "versions": installed_versions()})
    write_json(ctx.output_file(f"metrics/{name}.json"), scores)
    main = main_metric(info.task, objective=info.objective)
    for split, values in scores.items():
        print(f"{split}: {metric_title(main)} {values[main]:.4f}")


def wanted_scores(evaluation: Evaluation, info: TokensInfo) -> dict[str, dict[str, float]]:
    """Return split -> metric -> value, of the metrics that the task has."""
    wanted = metrics_of(info.task, objective=info.objective)
    return {
        split: {metric: float(values[metric]) for metric in wanted}
        for split, values in evaluation.scores.items()
    }


def write_predictions(folder: Path, evaluation: Evaluation) -> None:
    """Write predictions.parquet: what the model said of every row."""
    pq.write_table(
        evaluation.predictions, folder / "predictions.parquet", compression="zstd", use_dictionary=["split"]
    )


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a csv with numbers in full precision; the same bytes on every system."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
