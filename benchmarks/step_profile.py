"""Where the time of a training step goes, and how much of it the matrix products alone would take.

    python -m benchmarks.step_profile --cases full partial

Steps of our training in a case of `make bench` (benchmarks/speed_cases.py), after those that warm up: some
timed as they are, then as many under torch's profiler, which makes small operations dearer than they are. An
operation's own time counts, without that of those it calls. The limit is the time that the step's matrix
products, padding left out, would take at the highest rate that this machine reached just before.
"""

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.matrix_rate import matrix_rate, needed_operations
from benchmarks.one_training import moments_of_ours, splits, start_of
from benchmarks.prepared import ROOT, prepare_case
from benchmarks.speed_cases import CASES, Case
from tritune.compute import chosen_precision, cpu_name, prepare_torch
from tritune.settings.train import ComputeSettings

WARM_UP = 5
"""Steps before the first that counts."""

BATCH_SIZE, SEED = 32, 13
PARTS: Mapping[str, tuple[str, ...]] = {
    "matrix products of layers": ("aten::mm", "aten::addmm", "_linear_pointwise"),
    "attention": ("aten::bmm", "aten::baddbmm", "aten::_softmax", "scaled_dot_product", "_Attention"),
    "dropout": ("_Dropped", "aten::bitwise", "aten::sub_", "dropout"),
    "copies, casts, zeros": (
        "aten::copy_",
        "aten::_to_copy",
        "aten::clone",
        "aten::cat",
        "aten::index_",
        "aten::fill_",
        "aten::zero_",
    ),
    "activations, norms of layers, sums": (
        "gelu",
        "silu",
        "tanh",
        "layer_norm",
        "aten::add",
        "aten::sum",
        "aten::mul",
        "aten::pow",
        "aten::mean",
        "aten::rsqrt",
    ),
    "optimizer, norm of the gradient": ("adamw", "AdamW", "vector_norm", "foreach"),
}
"""By a piece of the operation's name; the first part that has one counts."""

REST = "the rest: views, allocation, autograd, Python's calls"
RESULT = ROOT / "docs/benchmarks/step_profile"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["full", "partial", "full_long"])
    parser.add_argument("--steps", type=int, default=25, help="timed, and profiled, at most")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)")
    options = parser.parse_args()
    precision = chosen_precision(ComputeSettings(device="cpu"), torch.device("cpu"))
    found = {}
    for name in options.cases:
        with tempfile.TemporaryDirectory(prefix="tritune-bench-") as folder:
            found[name] = profiled(
                Path(folder), CASES[name], precision=precision, steps=options.steps, threads=options.threads
            )
    content = {
        "cases": found,
        "conditions": {
            "machine": cpu_name(),
            "precision": precision,
            "threads": options.threads,
            "versions": {name: version(name) for name in ("torch", "transformers")},
        },
    }
    RESULT.with_suffix(".json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
    RESULT.with_suffix(".md").write_text(page(content), "utf-8")
    print(page(content))


def profiled(folder: Path, case: Case, *, precision: str, steps: int, threads: int) -> dict[str, Any]:
    """Return a step's milliseconds, those that its matrix products need, and the shares of its parts."""
    before = Path.cwd()
    rows = BATCH_SIZE * (WARM_UP + 2 * steps + 1)
    try:
        prepare_case(folder, case, rows=rows, seed=SEED)
    finally:
        os.chdir(before)
    model, plan, info = start_of(folder, seed=SEED)
    model.to(prepare_torch(ComputeSettings(threads=threads, device="cpu")))
    tables = splits(folder)
    whole = case.method["kind"] != "partial"
    needed = needed_operations(model, tables[0].lengths) / tables[0].rows * BATCH_SIZE if whole else None
    rate = matrix_rate(torch.device("cpu"), precision=precision, threads=threads)
    work = {"epochs": case.epochs, "batch_size": BATCH_SIZE, "precision": precision, "seed": SEED}
    # Within one epoch, so that no evaluation is among the steps.
    steps = min(steps, (tables[0].rows // BATCH_SIZE - 1 - WARM_UP) // 2)
    pad = info.pad_token_id
    moments = moments_of_ours(model, plan, tables, folder=folder, pad_token_id=pad, work=work)
    list(islice(moments, WARM_UP))
    started = time.perf_counter()
    list(islice(moments, steps))
    seconds = (time.perf_counter() - started) / steps
    with profile(activities=[ProfilerActivity.CPU]) as trace:
        list(islice(moments, steps))
    return {
        "title": case.title,
        "texts": case.texts,
        "step_ms": 1000 * seconds,
        "needed_ms": 1000 * needed / rate if needed else None,
        "shares": shares_of({event.key: event.self_cpu_time_total for event in trace.key_averages()}),
    }


def shares_of(times: Mapping[str, float]) -> dict[str, float]:
    """Return the share of each part in all of the time.

    Args:
        times: name of an operation -> its own time, in any unit.
    """
    found: Counter[str] = Counter(dict.fromkeys((*PARTS, REST), 0.0))
    for name, value in times.items():
        found[part_of(name)] += value
    total = sum(found.values())
    return {part: value / total for part, value in found.items()}


def part_of(operation: str) -> str:
    """Return the part that an operation's own time belongs to."""
    if operation.startswith("autograd::"):  # what it calls has names of its own
        return REST
    return next((part for part, pieces in PARTS.items() if any(p in operation for p in pieces)), REST)


def page(content: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    conditions, cases = content["conditions"], content["cases"].values()
    threads = f"{conditions['threads']} {'thread' if conditions['threads'] == 1 else 'threads'}"
    versions = ", ".join(f"{name} {value}" for name, value in sorted(conditions["versions"].items()))
    titles = [f"{case['title']}, {case['texts']} texts" for case in cases]
    limits = (
        f"{case['needed_ms']:.0f} ({case['needed_ms'] / case['step_ms']:.0%})" if case["needed_ms"] else ""
        for case in cases
    )
    lines = [
        "# Where the time of a training step goes",
        "",
        f"Batches of {BATCH_SIZE}, {conditions['precision']}, {threads}; {conditions['machine']}; "
        f"{versions}. Shares of a step under torch's profiler, which makes small operations dearer than they "
        "are; milliseconds without it. The limit is the time that the matrix products need, padding not "
        "counted, at the highest rate that the machine reached just before; it is told where everything "
        "learns. Made by `python -m benchmarks.step_profile`.",
        "",
        _line("", titles),
        f"|---|{'---:|' * len(titles)}",
        *(_line(part, [f"{case['shares'][part]:.0%}" for case in cases]) for part in (*PARTS, REST)),
        _line("**a step, ms**", [f"{case['step_ms']:.0f}" for case in cases]),
        _line("limit, ms (share of the step)", limits),
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, cells: Iterable[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
