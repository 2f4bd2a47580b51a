"""`tritune estimate`: what each method's training will cost, before any of it."""

import contextlib
import io
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from flows.plan import compiled_plans, named_methods
from tritune.errors import InputError
from tritune.settings.project import Project, read_project
from tritune.sweep.budget import TRAININGS_OF_A_SWEEP
from tritune.training.memory import is_out_of_memory, smaller

SEED = 0
"""Of the new tensors; what a training costs does not depend on it."""


@dataclass(frozen=True)
class Cost:
    """Of one training of a method, on this machine."""

    parameters_trainable: int
    peak_bytes: int
    """Of the process, and of the GPU where there is one: the higher."""

    limit_bytes: int
    """How much there is."""

    seconds: float
    prefix_seconds: float
    prefix_bytes: int


def estimate(methods: Sequence[str] | None) -> None:
    """Run a few steps of each named method, in a process of its own, and print what all of them will take.

    Raises:
        InputError: The data are not tokenized yet, a method is unknown, a training does not fit here, or it
            is to be sharded.
    """
    root = Path.cwd()
    project = read_project(root / "params.yaml")
    if project.compute.shard:
        raise InputError(
            "tritune estimate runs its steps in one process, and compute.shard: true is for what fits no "
            "single one; set it to false to see what one would need"
        )
    names = named_methods(project, methods)
    for needed in ("base", "data/tokens"):
        if not (root / needed).is_dir():
            raise InputError(
                f"{needed} is not there yet, and an estimate runs a few steps on it; make it with "
                "`dvc repro tokenize`, then try again"
            )
    costs = {name: measured_apart(name, project) for name in names}
    swept = [name for name in names if project.method[name].lr == "sweep"]
    show(Console(), costs, trainings=len(project.seeds), swept=swept)
    if (count := project.compute.processes) > 1:
        print(
            f"These are one process's alone. Of the {count} that are to share a training each needs "
            "nearly as much memory, and the time is divided by their number at best."
        )
    refuse_too_large(costs, project)


def measured_apart(name: str, project: Project, *, measure: Callable[[str], Cost] | None = None) -> Cost:
    """Run the steps in a process of their own: its peak memory is one training's.

    Args:
        measure: `measured`, or what stands in for it.

    Raises:
        InputError: Memory runs out in these steps. It says which setting would make them smaller.
    """
    # A pool of multiprocessing would wait for ever for a process that the system has killed.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(measure or measured, name).result()
        except Exception as error:
            if not (isinstance(error, BrokenProcessPool) or is_out_of_memory(error)):
                raise
    raise InputError(
        f"method.{name}: memory ran out in the first steps of a training; "
        f"{smaller(project.train, project.compute)}"
    )


def measured(name: str) -> Cost:
    """Run the steps; to be called in a fresh process, in the project's folder."""
    import torch
    from transformers.utils.logging import disable_progress_bar

    from tritune.compute import chosen_precision, prepare_torch
    from tritune.objectives.named import objective_named
    from tritune.peak_memory import peak_memory_bytes
    from tritune.tokens import read_tokens, read_tokens_info
    from tritune.training.compiled import is_worth_it
    from tritune.training.estimate import estimate_training
    from tritune.training.start_model import start_model

    root = Path.cwd()
    project = read_project(root / "params.yaml")
    device = prepare_torch(project.compute)
    disable_progress_bar()
    _, plans = compiled_plans(project, [name], root=root)
    info = read_tokens_info(root / "data/tokens")
    objective = objective_named(info.objective)
    model = start_model(root / "base", plans[name], info, seed=SEED, device=device, method=name)
    with contextlib.redirect_stdout(io.StringIO()):  # what a training says of itself
        found = estimate_training(
            model,
            plans[name],
            read_tokens(root / "data/tokens/train.arrow"),
            read_tokens(root / "data/tokens/validation.arrow"),
            objective=objective,
            settings=project.train,
            precision=chosen_precision(project.compute, device),
            memo_gib=project.compute.prefix_memo_gib,
            recompute=project.compute.recompute_activations,
            compiles=is_worth_it(
                project.compute.compile,
                plans[name],
                tokens=project.train.epochs * info.tokens["train"],
                device=device,
            ),
            pad_token_id=info.pad_token_id,
        )
    trainable = plans[name].parameters_trainable
    # The best epoch's weights are kept beside the present ones, on the CPU.
    peak = peak_memory_bytes() + (4 * trainable if project.train.epochs > 1 else 0)
    limit = psutil.virtual_memory().total
    if found.gpu_bytes is not None:
        peak, limit = found.gpu_bytes, torch.cuda.get_device_properties(device).total_memory
    return Cost(trainable, peak, limit, found.seconds, found.prefix_seconds, found.prefix_bytes)


def refuse_too_large(costs: dict[str, Cost], project: Project) -> None:
    """Make sure that each training fits this machine.

    Raises:
        InputError: One does not. It says which setting would make it smaller.
    """
    for name, cost in costs.items():
        if cost.peak_bytes > cost.limit_bytes:
            raise InputError(
                f"method.{name}: one training needs about {cost.peak_bytes / 2**20:,.0f} MiB and there are "
                f"{cost.limit_bytes / 2**20:,.0f}; {smaller(project.train, project.compute)}"
            )


def show(console: Console, costs: dict[str, Cost], *, trainings: int, swept: Sequence[str] = ()) -> None:
    """Print one row per method; of those in `swept` also what the search for their rate takes."""
    table = Table("method", box=None, pad_edge=False)
    for heading in ("trainable parameters", "peak memory", "frozen layers, once", "on disk", "a training"):
        table.add_column(heading, justify="right")
    if trainings > 1:
        table.add_column(f"{trainings} seeds", justify="right")
    if swept:
        table.add_column("the sweep, about", justify="right")
    for name, cost in costs.items():
        every = [duration(cost.prefix_seconds + trainings * cost.seconds)] if trainings > 1 else []
        if swept:
            every.append(duration(TRAININGS_OF_A_SWEEP * cost.seconds) if name in swept else "")
        table.add_row(
            name,
            f"{cost.parameters_trainable:,}",
            f"{cost.peak_bytes / 2**20:,.0f} MiB",
            duration(cost.prefix_seconds) if cost.prefix_seconds else "",
            f"{cost.prefix_bytes / 2**20:,.0f} MiB" if cost.prefix_bytes else "",
            duration(cost.seconds),
            *every,
        )
    console.print(table)


def duration(seconds: float) -> str:
    """Return `45 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
