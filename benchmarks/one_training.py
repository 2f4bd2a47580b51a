"""One training of the benchmark, by us or by Trainer, in a process of its own. Prints its numbers as JSON."""

import time

STARTED = time.monotonic()

import json  # noqa: E402 - the clock starts before the imports, which belong to the set-up
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402
from unittest import mock  # noqa: E402

import torch  # noqa: E402

from benchmarks.anonymous_memory import AnonymousMemory  # noqa: E402
from benchmarks.matrix_rate import needed_operations  # noqa: E402
from tritune.compute import prepare_torch  # noqa: E402
from tritune.inference import model_outputs  # noqa: E402
from tritune.metrics.classification import classification_metrics, softmax  # noqa: E402
from tritune.models.load import load_model  # noqa: E402
from tritune.objectives.named import objective_named  # noqa: E402
from tritune.plan.tuning_plan import TuningPlan  # noqa: E402
from tritune.settings.train import ComputeSettings, TrainSettings  # noqa: E402
from tritune.tokens import TokensInfo, TokenTable, read_tokens, read_tokens_info  # noqa: E402
from tritune.training.loop import Moment, train  # noqa: E402
from tritune.training.optimizer import plan_optimizer  # noqa: E402
from tritune.training.reduced import reduce_training  # noqa: E402
from tritune.training.state import TrainingState  # noqa: E402
from tritune.training.stored_prefix import frozen_depth  # noqa: E402

OURS = "tritune"
WITH_FROZEN_DROPOUT = "tritune_frozen_dropout"
"""Ours, with dropout in the frozen layers, as other programs leave it on; they then run each time."""


def main() -> None:
    name, folder, work = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(work["threads"])
    if name not in (OURS, WITH_FROZEN_DROPOUT):
        import datasets  # noqa: F401 - imports are no memory of the training's
        from transformers import Trainer  # noqa: F401
    memory = AnonymousMemory()
    model, plan, info = start_of(folder, seed=work["seed"])
    training = read_tokens(folder / "data/tokens/train.arrow")
    operations = needed_operations(
        model,
        training.lengths,
        frozen=frozen_depth(model, plan),
        epochs=work["epochs"],
        stored=name == OURS,
    )
    if name == OURS:
        seconds = train_with_ours(model, plan, folder, info, work)
    elif name == WITH_FROZEN_DROPOUT:
        with mock.patch("tritune.training.frozen.frozen_modules", return_value=[]):
            seconds = train_with_ours(model, plan, folder, info, work, memo_gib=0)
    else:
        seconds = train_with_trainer(model, plan, folder, work, at_its_best=name == "trainer_at_best")
    with_setup = time.monotonic() - STARTED
    # Before the test split is run, so that it says what training needs.
    on_gpu = torch.cuda.is_available()
    peak = torch.cuda.max_memory_allocated() if on_gpu else memory.peak()
    test = read_tokens(folder / "data/tokens/test.arrow")
    device = next(model.parameters()).device
    objective = objective_named(info.objective)
    outputs = model_outputs(model, test, objective=objective, pad_token_id=info.pad_token_id, device=device)
    scores = classification_metrics(test.labels, softmax(outputs.values))
    result = {
        "seconds": seconds,
        "seconds_with_setup": with_setup,
        "peak_memory_bytes": peak,
        "tokens": int(training.lengths.sum()) * work["epochs"],
        "operations": operations,
        "accuracy": scores["accuracy"],
        "macro_f1": scores["macro_f1"],
    }
    print(json.dumps(result))


def start_of(folder: Path, *, seed: int) -> tuple[Any, TuningPlan, TokensInfo]:
    """Return the model with its new head, the plan and what the tokens are, of a folder that was prepared."""
    info = read_tokens_info(folder / "data/tokens")
    plan = TuningPlan.from_json((folder / "plans/method/plan.json").read_text(encoding="utf-8"))
    model, _ = load_model(
        folder / "base", objective="single_label", labels=info.labels, seed=seed, adapters=plan.adapters
    )
    return model, plan, info


def train_with_ours(
    model: Any,
    plan: TuningPlan,
    folder: Path,
    info: TokensInfo,
    work: dict[str, Any],
    *,
    memo_gib: float = ComputeSettings().prefix_memo_gib,
) -> float:
    """Train as the stage `train` does; return the seconds of the loop and of what makes it shorter."""
    model.to(prepare_torch(ComputeSettings(threads=work["threads"])))
    tables = splits(folder)
    started = time.monotonic()
    pad = info.pad_token_id
    moments = moments_of_ours(
        model, plan, tables, folder=folder, pad_token_id=pad, work=work, memo_gib=memo_gib
    )
    for _ in moments:
        pass
    return time.monotonic() - started


def moments_of_ours(
    model: Any,
    plan: TuningPlan,
    tables: tuple[TokenTable, TokenTable],
    *,
    folder: Path,
    pad_token_id: int,
    work: dict[str, Any],
    compiles: bool = False,
    memo_gib: float = ComputeSettings().prefix_memo_gib,
) -> Iterator[Moment]:
    """Yield each step of a whole training, from what makes it shorter to the model put together again.

    Args:
        tables: the training and the validation split, of texts of one label.
        memo_gib: disk space for what frozen layers give; 0: they run each time.
    """
    training, validation = tables
    objective = objective_named("single_label")
    settings = TrainSettings(
        epochs=work["epochs"], batch_size=work["batch_size"], patience=work["epochs"], monitor="accuracy"
    )
    memos = tempfile.mkdtemp(dir=folder)  # its own: what the frozen layers give is part of what it costs
    reduced = reduce_training(
        model,
        plan,
        training,
        validation,
        objective=objective,
        precision=work["precision"],
        memo_gib=memo_gib,
        compiles=compiles,
        pad_token_id=pad_token_id,
        memos=Path(memos),
    )
    state = TrainingState(model, plan_optimizer(model, plan, weight_decay=settings.weight_decay))
    yield from train(
        state,
        plan,
        reduced.training,
        reduced.validation,
        objective=objective,
        settings=settings,
        monitor="accuracy",
        precision=work["precision"],
        device=model.device,
        pad_token_id=pad_token_id,
        seed=work["seed"],
        score=lambda outputs: classification_metrics(validation.labels, softmax(outputs.values)),
        recorded=reduced.recorded,
    )
    reduced.undo(state, plan, settings=settings)


def train_with_trainer(
    model: Any, plan: TuningPlan, folder: Path, work: dict[str, Any], *, at_its_best: bool
) -> float:
    """Train with Trainer and dynamic padding; return the seconds of `trainer.train()`."""
    from datasets import Dataset
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "base", local_files_only=True)
    training, validation = (as_dataset(Dataset, table) for table in splits(folder))
    trainer = trainer_of(
        model,
        plan,
        training,
        validation,
        tokenizer=tokenizer,
        output=str(folder / "trainer"),
        work=work,
        at_its_best=at_its_best,
    )
    started = time.monotonic()
    trainer.train()
    return time.monotonic() - started


def trainer_of(
    model: Any,
    plan: TuningPlan,
    training: Any,
    validation: Any,
    *,
    tokenizer: Any,
    output: str,
    work: dict[str, Any],
    at_its_best: bool,
) -> Any:
    """Return a Trainer for what the plan says: its frozen part, its peak rates.

    Args:
        training: dataset of `input_ids` and `labels`; `validation` likewise.
        output: folder for Trainer's files.
        at_its_best: with batches of rows of similar length, and in the precision that is fastest here, which
            Trainer does not choose unless it is told to.
    """
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    rates = {group.lr for group in plan.groups if group.lr is not None}
    learning = {name for group in plan.groups if group.lr is not None for name in group.tensors}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in learning)
    # Trainer's own optimizer has one rate for all.
    optimizer = plan_optimizer(model, plan, weight_decay=0.01) if len(rates) > 1 else None
    settings = TrainingArguments(
        output_dir=output,
        num_train_epochs=work["epochs"],
        per_device_train_batch_size=work["batch_size"],
        per_device_eval_batch_size=work["batch_size"],
        learning_rate=max(rates),
        train_sampling_strategy="group_by_length" if at_its_best else "random",
        bf16=at_its_best and work["precision"] == "bf16",
        torch_compile=at_its_best and torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        weight_decay=0.01,
        max_grad_norm=1.0,
        seed=work["seed"],
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    return Trainer(
        model=model,
        args=settings,
        train_dataset=training,
        eval_dataset=validation,
        optimizers=(optimizer, None),
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda answer: classification_metrics(answer.label_ids, softmax(answer.predictions)),
    )


def splits(folder: Path) -> tuple[TokenTable, TokenTable]:
    tokens = folder / "data/tokens"
    return read_tokens(tokens / "train.arrow"), read_tokens(tokens / "validation.arrow")


def as_dataset(kind: Any, table: TokenTable) -> Any:
    rows = [table.row(index).tolist() for index in range(table.rows)]
    return kind.from_dict({"input_ids": rows, "labels": table.labels.tolist()})


if __name__ == "__main__":
    main()
