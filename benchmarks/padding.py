"""How much padding runs through the layers, and what it costs: steps cut into pieces, and rows end to end.

    python -m benchmarks.padding --batch-sizes 16 32

On the project's own tokens, base and plan (`dvc repro prepare` makes them), by the training loop itself. Both
ways train side by side on the same rows, a step each in turn, and who goes first alternates. The time is the
processor's, which other work on the machine disturbs less; with one thread, that of a quiet machine.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.models.load import load_model
from tritune.objectives.named import objective_named
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import TrainSettings
from tritune.tokens import TokensInfo, TokenTable, read_tokens, read_tokens_info
from tritune.training.batches import epoch_batches
from tritune.training.embedding_rows import cut_embedding
from tritune.training.estimate import tokens_run
from tritune.training.loop import Moment, train
from tritune.training.optimizer import plan_optimizer
from tritune.training.reduced import leave_out_padding
from tritune.training.start_above import start_above
from tritune.training.state import TrainingState
from tritune.training.stored_prefix import frozen_depth

WARM_UP_STEPS = 3
SEED = 13


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    tokens = options.folder / "data/tokens"
    info, training = read_tokens_info(tokens), read_tokens(tokens / "train.arrow")
    plan_path = options.folder / f"plans/{options.method}/plan.json"
    plan = TuningPlan.from_json(plan_path.read_text("utf-8"))
    print("| rows a step | way | padding | CPU ms a step, median | quartiles | of the first way |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as memos:
        for batch_size in options.batch_sizes:
            compare(
                options.folder / "base",
                plan,
                info,
                training,
                batch_size=batch_size,
                steps=options.steps,
                memos=Path(memos),
            )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="of the project (default: this one)")
    parser.add_argument("--method", default="full", help="whose plan (default: %(default)s)")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16, 32], metavar="ROWS")
    parser.add_argument("--steps", type=int, default=40, help="to time (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    return parser.parse_args()


def compare(
    base: Path,
    plan: TuningPlan,
    info: TokensInfo,
    training: TokenTable,
    *,
    batch_size: int,
    steps: int,
    memos: Path,
) -> None:
    """Time both ways and print a line for each."""
    objective = objective_named(info.objective)
    ways: dict[str, Iterator[Moment]] = {}
    padding: dict[str, float] = {}
    for name in ("pieces", "end to end"):
        model, _ = load_model(base, objective=info.objective, labels=info.labels, seed=SEED)
        model.config.pad_token_id = info.pad_token_id
        cut_embedding(model, plan, [training])
        same: dict[str, Any] = {"objective": objective, "pad_token_id": info.pad_token_id}
        depth = frozen_depth(model, plan)
        prefix, (table,) = start_above(
            model, depth, [training], precision="fp32", memo_gib=16.0, memos=memos, **same
        )
        if name != "pieces":
            packing, (table,) = leave_out_padding(model, prefix, [table], **same)
            if packing is None:
                print(f"{type(model).__name__} runs with padding only")
                return
        batches = epoch_batches(training.rows, batch_size=batch_size, seed=SEED, epoch=0)
        run = int(tokens_run(table, batches, objective=objective, model=model).sum())
        padding[name] = 1 - len(training.tokens) / run
        ways[name] = train(
            TrainingState(model, plan_optimizer(model, plan, weight_decay=0.01)),
            plan,
            table,
            table,
            settings=TrainSettings(batch_size=batch_size, epochs=1),
            monitor=NEGATIVE_LOG_LIKELIHOOD,
            precision="fp32",
            device=torch.device("cpu"),
            seed=SEED,
            score=lambda _: {},
            **same,
        )
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for step in range(min(WARM_UP_STEPS + steps, len(batches) - 1)):  # the last evaluates too
        for name in list(ways)[:: 1 if step % 2 else -1]:
            started = time.process_time()
            next(ways[name])
            seconds[name].append(time.process_time() - started)
    timed = {name: found[WARM_UP_STEPS:] for name, found in seconds.items()}
    first = timed["pieces"]
    for name, found in timed.items():
        low, middle, high = (1000 * value for value in statistics.quantiles(found, n=4))
        ratio = statistics.median(one / other for one, other in zip(found, first, strict=True))
        print(
            f"| {batch_size} | {name} | {padding[name]:.1%} | {middle:.0f} | {low:.0f} to {high:.0f} "
            f"| {ratio:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
