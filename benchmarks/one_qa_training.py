"""One training of the question-answering benchmark, by us or by the example, in a process of its own.

Prints its seconds and what each test question scored, as one line of JSON.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from benchmarks.qa_example import answers, features, positions, training_rows
from tritune.compute import prepare_torch
from tritune.inference import model_outputs
from tritune.metrics.answers import answer_score, rules_for
from tritune.models.load import load_model
from tritune.objectives.named import objective_named
from tritune.plan.tuning_plan import TuningPlan
from tritune.question_answering.gold import read_gold
from tritune.question_answering.span_answers import all_candidates, chosen_answer, tuned_threshold
from tritune.settings.train import ComputeSettings, TrainSettings
from tritune.task.contract import Split
from tritune.task.question_answering.score import scorer
from tritune.tokens import TokensInfo, read_tokens, read_tokens_info
from tritune.training.loop import train
from tritune.training.optimizer import plan_optimizer
from tritune.training.reduced import reduce_training
from tritune.training.state import TrainingState


def main() -> None:
    name, folder, work = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    device = prepare_torch(ComputeSettings(threads=work["threads"]))
    info = read_tokens_info(folder / "data/tokens")
    # Both start from the same new head.
    model, _ = load_model(folder / "base", objective="spans", labels=[], seed=work["seed"])
    by = {"tritune": by_us, "example": by_the_example}[name]
    seconds, said = by(model.to(device), folder, info, work, device)
    rows = pq.read_table(folder / "data/ingested/test.parquet", columns=["answers"]).to_pydict()
    rules = rules_for(rows["answers"])
    scores = [
        answer_score(text, golds, rules=rules) for text, golds in zip(said, rows["answers"], strict=True)
    ]
    f1, exact = [round(s.f1, 6) for s in scores], [s.exact_match for s in scores]
    print(json.dumps({"seconds": round(seconds, 1), "f1": f1, "exact": exact}))


def by_us(
    model: Any, folder: Path, info: TokensInfo, work: dict[str, Any], device: torch.device
) -> tuple[float, list[str]]:
    """Train and answer as the stages `train` and `evaluate` do; return the loop's seconds and the answers."""
    objective = objective_named("spans")
    settings = TrainSettings(**work["train"])
    plan = TuningPlan.from_json((folder / "plans/full/plan.json").read_text(encoding="utf-8"))
    splits = {name: split_of(folder, name) for name in ("validation", "test")}
    started = time.monotonic()
    reduced = reduce_training(
        model,
        plan,
        read_tokens(folder / "data/tokens/train.arrow"),
        read_tokens(splits["validation"].tokens),
        objective=objective,
        precision=work["precision"],
        memo_gib=ComputeSettings().prefix_memo_gib,
        pad_token_id=info.pad_token_id,
        memos=folder / "memos",
    )
    state = TrainingState(model, plan_optimizer(model, plan, weight_decay=settings.weight_decay))
    for _ in train(
        state,
        plan,
        reduced.training,
        reduced.validation,
        objective=objective,
        settings=settings,
        monitor="answer_f1",
        precision=work["precision"],
        device=device,
        pad_token_id=info.pad_token_id,
        seed=work["seed"],
        score=scorer(splits["validation"], info),
        recorded=reduced.recorded,
    ):
        pass
    reduced.undo(state, plan, settings=settings)
    seconds = time.monotonic() - started
    found, golds = {}, {name: read_gold(split) for name, split in splits.items()}
    for name, split in splits.items():
        outputs = model_outputs(
            model, golds[name].tokens, objective=objective, pad_token_id=info.pad_token_id, device=device
        )
        found[name] = all_candidates(split, golds[name], outputs)
    threshold = tuned_threshold(found["validation"], golds["validation"])
    return seconds, [
        chosen_answer(one, context, threshold=threshold).text
        for one, context in zip(found["test"], golds["test"].contexts, strict=True)
    ]


def split_of(folder: Path, name: str) -> Split:
    return Split(name, folder / f"data/tokens/{name}.arrow", folder / f"data/ingested/{name}.parquet")


def by_the_example(
    model: Any,
    folder: Path,
    info: TokensInfo,
    work: dict[str, Any],
    device: torch.device,
) -> tuple[float, list[str]]:
    """Train with Trainer and read answers as the example does; return `trainer.train()`'s seconds and
    them."""
    from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments

    tokenizer = AutoTokenizer.from_pretrained(folder / "base", local_files_only=True)
    settings = work["train"]
    cut = {}
    tables = {
        name: pq.read_table(folder / f"data/ingested/{name}.parquet").to_pydict()
        for name in ("train", "test")
    }
    for name, table in tables.items():
        cut[name] = features(
            tokenizer, table["question"], table["context"], max_length=info.max_length, stride=work["stride"]
        )
        ours = read_tokens(folder / f"data/tokens/{name}.arrow")
        if [ours.row(row).tolist() for row in range(ours.rows)] != cut[name]["input_ids"]:
            raise SystemExit(f"the {name} windows differ between us and the example: this is no comparison")
    starts, ends = ([places[0] for places in tables["train"][side]] for side in ("starts", "ends"))
    labels = positions(cut["train"], starts, ends, cls_token_id=tokenizer.cls_token_id)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder / "trainer"),
            num_train_epochs=settings["epochs"],
            per_device_train_batch_size=settings["batch_size"],
            per_device_eval_batch_size=64,
            learning_rate=work["lr"],
            lr_scheduler_type=settings["schedule"],
            warmup_steps=settings["warmup_fraction"],
            weight_decay=settings["weight_decay"],
            max_grad_norm=settings["max_grad_norm"],
            seed=work["seed"],
            bf16=work["precision"] == "bf16",
            use_cpu=device.type == "cpu",
            eval_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=training_rows(cut["train"], labels),
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    started = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - started
    nothing = [(0, 0)] * len(cut["test"]["input_ids"])
    given = trainer.predict(training_rows(cut["test"], nothing)).predictions
    return seconds, answers(cut["test"], tables["test"]["context"], given[0], given[1])


if __name__ == "__main__":
    main()
