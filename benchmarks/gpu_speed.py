"""Time full fine-tuning on a GPU against transformers' Trainer at its best, in one run, on the same rows.

    python -m benchmarks.gpu_speed --cases bert_512 decoder_512 --turns 8

For each case (benchmarks/gpu_cases.py) the contenders are set up in processes of their own, those of all
cases of one model side by side, and take their first steps. Then they take turns of some steps on the
otherwise idle GPU, who goes first changing. Trainer has bf16, torch_compile, batches of rows of similar
length, two workers that prepare them, and its fused AdamW. What a training needs of matrix products is set
against what the card reached in bf16 just before.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_cases import CASES
from benchmarks.matrix_rate import matrix_rate
from benchmarks.prepared import ROOT

NAMES = {
    "tritune": "this project",
    "tritune_uncompiled": "this project, not compiled",
    "trainer_at_best": "Trainer at its best",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = [name for name in CASES if name != "tiny"]
    parser.add_argument("--cases", nargs="+", choices=CASES, default=usual, help="default: all but tiny")
    parser.add_argument("--contenders", nargs="+", choices=NAMES, default=list(NAMES), help="default: all")
    parser.add_argument("--turns", type=int, default=8, help="of each contender (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--out", default=str(ROOT / "docs" / "benchmarks"), help="folder for the numbers")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    conditions = {
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    target = Path(options.out) / "gpu_speed.json"
    found: dict[str, Any] = {"conditions": conditions, "cases": {}}
    if target.exists() and (kept := json.loads(target.read_text("utf-8")))["conditions"] == conditions:
        found = kept
    for model in dict.fromkeys(CASES[name].model for name in options.cases):
        names = [name for name in options.cases if CASES[name].model == model]
        rate = matrix_rate(device, precision="bf16" if device.type == "cuda" else "fp32", threads=1)
        for name, contenders in timed(names, options):
            found["cases"][name] = {"matrix_rate": rate, "contenders": contenders}
            target.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
            target.with_suffix(".md").write_text(markdown(found), "utf-8")
            print(lines_of(name, found["cases"][name]), flush=True)


def timed(names: list[str], options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Set up all contenders of some cases side by side, then let those of each case take turns.

    Yields:
        Each case with what its contenders measured.
    """
    children = {
        (name, contender): subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.one_gpu_training",
                contender,
                name,
                str(options.turns),
                str(options.seed),
            ],
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
        for contender in options.contenders
    }
    try:
        told = {key: heard(child, key[1]) for key, child in children.items()}
        for name in names:
            order = list(options.contenders)
            turns: dict[str, list[Any]] = {contender: [] for contender in order}
            for turn in range(options.turns):
                for contender in order[turn % len(order) :] + order[: turn % len(order)]:
                    ask(children[name, contender], "go")
                    turns[contender].append(heard(children[name, contender], contender))
            for contender in order:
                ask(children[name, contender], "stop")
                last = heard(children[name, contender], contender)
                told[name, contender].update(last, turns=turns[contender])
            yield name, {contender: told[name, contender] for contender in order}
    finally:
        for child in children.values():
            child.kill()


def ask(child: subprocess.Popen[str], line: str) -> None:
    assert child.stdin is not None
    child.stdin.write(f"{line}\n")
    child.stdin.flush()


def heard(child: subprocess.Popen[str], name: str) -> dict[str, Any]:
    """Return the next line of JSON of a child; other lines are its log.

    Raises:
        SystemExit: it has ended.
    """
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("{"):
            content: dict[str, Any] = json.loads(line)
            return content
    raise SystemExit(f"the training by {NAMES[name]} has failed")


def figures(case: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return by contender the medians of tokens a second and of the share of the card's rate, how many times
    our seconds a token each needs, turn by turn, its memory and its set-up."""
    found = {}
    ours = case["contenders"]["tritune"]["turns"] if "tritune" in case["contenders"] else None
    for name, told in case["contenders"].items():
        turns = told["turns"]
        ratios = (
            [
                (theirs["seconds"] / theirs["tokens"]) / (own["seconds"] / own["tokens"])
                for own, theirs in zip(ours, turns, strict=True)
            ]
            if ours and name != "tritune"
            else []
        )
        shares = [turn["operations"] / turn["seconds"] / case["matrix_rate"] for turn in turns]
        found[name] = {
            "tokens_per_second": statistics.median(turn["tokens"] / turn["seconds"] for turn in turns),
            "share": (statistics.median(shares), min(shares), max(shares)),
            "ratio": (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None,
            "peak_memory_bytes": told["peak_memory_bytes"],
            "setup_seconds": told["setup_seconds"],
        }
    return found


def lines_of(name: str, case: dict[str, Any]) -> str:
    cells = [f"{name}, {case['matrix_rate'] / 1e12:.0f} TFLOP/s:"]
    for contender, each in figures(case).items():
        cells.append(
            f"  {contender}: {each['tokens_per_second']:,.0f} tokens/s, {each['share'][0]:.1%} of the rate, "
            f"{each['ratio'] and round(each['ratio'][0], 2)} times ours, "
            f"{each['peak_memory_bytes'] / 2**30:.1f} GiB, set-up {each['setup_seconds']:.0f} s"
        )
    return "\n".join(cells)


def markdown(found: dict[str, Any]) -> str:
    """Return the page for people."""
    versions = ", ".join(f"{name} {v}" for name, v in sorted(found["conditions"]["versions"].items()))
    lines = [
        "# Full fine-tuning on a GPU against transformers' Trainer",
        "",
        f"{found['conditions']['machine']}; {versions}. "
        "Models with random weights, rows of random tokens, bf16, dropout as each model is configured. "
        "Trainer has torch_compile, batches of rows of similar length, two workers that prepare them and "
        "fused AdamW. Contenders took turns of a few steps on the idle card; medians, with the least and the "
        "greatest. The share is what the steps need of matrix products, padding not counted, by the rate "
        "that the card reached in bf16 just before. Set-up is all before the first turn: imports, compiling "
        "and the first 12 steps, of all trainings of one model side by side. Made by "
        "`python -m benchmarks.gpu_speed`.",
        "",
        "| case | by | tokens/s | share of the card's rate | seconds, times ours | memory, GiB | set-up, s |",
        f"|{'---|' * 7}",
    ]
    for name, case in found["cases"].items():
        of = CASES[name]
        rows = f"{of.longest}" if of.shortest is None else f"{of.shortest} to {of.longest}"
        title = (
            f"{of.title}, rows of {rows} tokens, {of.batch_size} a step "
            f"({case['matrix_rate'] / 1e12:.0f} TFLOP/s)"
        )
        for contender, each in figures(case).items():
            ratio = each["ratio"]
            cells = [
                title,
                NAMES[contender],
                f"{each['tokens_per_second']:,.0f}",
                "{:.1%} ({:.1%} - {:.1%})".format(*each["share"]),
                "{:.2f} ({:.2f} - {:.2f})".format(*ratio) if ratio else "",
                f"{each['peak_memory_bytes'] / 2**30:.1f}",
                f"{each['setup_seconds']:.0f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
            title = ""
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
