"""One training of the benchmark on a GPU, by us or by Trainer, in a process of its own.

It sets up, takes its first steps, and says so in a line of JSON. Then each line `go` on its standard input is
a turn of steps, which a line of JSON with its numbers answers; `stop` is the end.
"""

import time

STARTED = time.monotonic()

import json  # noqa: E402 - the clock starts before the imports, which belong to the set-up
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from benchmarks.gpu_cases import CASES, MODELS, GpuCase, random_rows  # noqa: E402
from benchmarks.matrix_rate import needed_operations  # noqa: E402
from benchmarks.one_training import moments_of_ours  # noqa: E402
from tritune.compute import prepare_torch  # noqa: E402
from tritune.plan.make import make_plan  # noqa: E402
from tritune.plan.tuning_plan import TuningPlan  # noqa: E402
from tritune.settings.method import FullSettings  # noqa: E402
from tritune.settings.train import ComputeSettings  # noqa: E402
from tritune.tokens import TokenTable  # noqa: E402
from tritune.training.batches import epoch_batches  # noqa: E402

FIRST_STEPS = 12
"""In which sizes are met, code is compiled and memory is taken, before the first turn."""

RATE = 2e-5
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
Lengths = list[np.ndarray]
"""Of the rows of each step."""


class StopTraining(Exception):
    """The last turn is over."""


def main() -> None:
    name, case, turns, seed = sys.argv[1], CASES[sys.argv[2]], int(sys.argv[3]), int(sys.argv[4])
    ours = name != "trainer_at_best"
    # Trainer is not asked for deterministic algorithms, which cost time.
    device = prepare_torch(ComputeSettings()) if ours else torch.device(DEVICE)
    rows = random_rows(case, FIRST_STEPS + turns * case.steps + 2, seed=seed)
    model, plan = start_of(case, device, seed=seed)
    steps = (
        steps_of_ours(model, plan, rows, case, seed=seed, compiles=name == "tritune")
        if ours
        else steps_of_trainer(model, rows, case, seed=seed)
    )
    take_turns(steps, model, case)


def start_of(case: GpuCase, device: torch.device, *, seed: int) -> tuple[Any, TuningPlan]:
    """Return the model with random weights in training mode, on the device, and the plan of `full`."""
    family, sizes = MODELS[case.model]
    config = getattr(transformers, f"{family}Config")(**sizes)
    torch.manual_seed(seed)
    with device:
        model = getattr(transformers, f"{family}ForSequenceClassification")(config)
    settings = FullSettings(kind="full", lr=RATE)
    body = f"{model.base_model_prefix}."
    head = [name for name, _ in model.named_parameters() if not name.startswith(body)]
    return model.train(), make_plan(model, settings, new_tensors=head, key="method.full")


def take_turns(steps: Iterator[tuple[float, np.ndarray]], model: Any, case: GpuCase) -> None:
    """Drive a training by what comes on the standard input.

    Args:
        steps: yields the loss and the lengths of the rows of each step, as late as it can.
    """
    losses = [next(steps)[0] for _ in range(FIRST_STEPS)]
    synchronize()
    say(setup_seconds=time.monotonic() - STARTED, first_losses=[float(loss) for loss in losses])
    for line in sys.stdin:
        if line.strip() == "stop":
            break
        started = time.monotonic()
        done = [next(steps) for _ in range(case.steps)]
        synchronize()
        seconds = time.monotonic() - started
        lengths = np.concatenate([np.asarray(each) for _, each in done])
        say(
            seconds=seconds,
            tokens=int(lengths.sum()),
            operations=needed_operations(model, lengths),
            loss=float(np.mean([float(loss) for loss, _ in done])),
        )
    peak = torch.cuda.max_memory_allocated() if DEVICE == "cuda" else 0
    say(peak_memory_bytes=peak)


def steps_of_ours(
    model: Any, plan: TuningPlan, rows: TokenTable, case: GpuCase, *, seed: int, compiles: bool
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yield the loss and the lengths of each step, by the loop of the stage `train`."""
    few = random_rows(replace(case, batch_size=4), 1, seed=seed + 1)
    precision = "bf16" if DEVICE == "cuda" else "fp32"
    work = {"epochs": 1, "batch_size": case.batch_size, "precision": precision, "seed": seed}
    batches = epoch_batches(rows.rows, batch_size=case.batch_size, seed=seed, epoch=0)
    with tempfile.TemporaryDirectory() as folder:
        moments = moments_of_ours(
            model, plan, (rows, few), folder=Path(folder), pad_token_id=0, work=work, compiles=compiles
        )
        for moment, chosen in zip(moments, batches, strict=True):
            yield moment.loss, rows.lengths[chosen]


def steps_of_trainer(
    model: Any, rows: TokenTable, case: GpuCase, *, seed: int
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yield the loss and the lengths of each step, by Trainer with every switch a careful user would set.

    Trainer drives itself, so it runs in a thread that waits at the end of each step until it is wanted.
    """
    import queue
    import threading

    wanted: queue.Queue[bool] = queue.Queue()
    done: queue.Queue[Any] = queue.Queue()
    seen: list[Any] = []

    class Watched(transformers.Trainer):
        def training_step(self, model: Any, inputs: Any, *arguments: Any) -> torch.Tensor:
            seen.append(inputs["attention_mask"].sum(1))
            seen.append(super().training_step(model, inputs, *arguments))
            return seen[-1]

    class Turns(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            lengths, loss = seen
            seen.clear()
            done.put((loss, lengths))
            if not wanted.get():
                raise StopTraining

    def run() -> None:
        try:
            trainer.train()
        except StopTraining:
            pass
        except BaseException as error:
            done.put(error)

    with tempfile.TemporaryDirectory() as folder:
        trainer = Watched(
            model=model,
            args=trainer_settings(folder, case, seed=seed),
            train_dataset=[
                {"input_ids": rows.row(index).tolist(), "labels": int(rows.labels[index])}
                for index in range(rows.rows)
            ],
            data_collator=padded_batch,
            callbacks=[Turns()],
        )
        threading.Thread(target=run, daemon=True).start()
        while True:
            found = done.get()
            if isinstance(found, BaseException):
                raise found
            loss, lengths = found
            try:
                yield loss, OnGpu(lengths)
            except GeneratorExit:
                wanted.put(False)
                raise
            wanted.put(True)


class OnGpu:
    """Lengths that are fetched when they are asked for: asking sooner would make the GPU wait."""

    def __init__(self, lengths: torch.Tensor) -> None:
        self._lengths = lengths

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        found: np.ndarray = self._lengths.cpu().numpy()
        return found


def trainer_settings(folder: str, case: GpuCase, *, seed: int) -> transformers.TrainingArguments:
    on_gpu = DEVICE == "cuda"
    return transformers.TrainingArguments(
        output_dir=folder,
        num_train_epochs=1,
        per_device_train_batch_size=case.batch_size,
        learning_rate=RATE,
        train_sampling_strategy="group_by_length",
        bf16=on_gpu,
        torch_compile=on_gpu,
        use_cpu=not on_gpu,
        dataloader_num_workers=2,
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        weight_decay=0.01,
        max_grad_norm=1.0,
        seed=seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def padded_batch(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return a batch padded to its longest row, at a multiple of 8, which is what tensor cores like."""
    lengths = [len(example["input_ids"]) for example in examples]
    longest = -(-max(lengths) // 8) * 8
    ids = np.zeros((len(examples), longest), dtype=np.int64)
    for row, example in enumerate(examples):
        ids[row, : lengths[row]] = example["input_ids"]
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(
            (np.arange(longest) < np.array(lengths)[:, None]).astype(np.int64)
        ),
        "labels": torch.tensor([example["labels"] for example in examples]),
    }


def synchronize() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def say(**content: Any) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
