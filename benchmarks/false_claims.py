"""How often the comparison claims a difference where there is none: one method under several names.

    python -m benchmarks.false_claims --method partial

It needs the finished run of one method with many seeds, 15 or more. From the stored predictions it draws,
again and again, three groups of seeds and a half of the validation examples, as if they were three methods
compared on another validation split. Every claim is false. The table goes to docs/benchmarks/false_claims.md.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tritune.errors import InputError
from tritune.evidence import weigh
from tritune.metrics.catalogue import main_metric, metric_title, metrics_of
from tritune.metrics.sums import Parts
from tritune.statistics.resample import plain_score
from tritune.task.contract import task_module
from tritune.tokens import TokensInfo, read_tokens_info

NAMES = 3
SEEDS = (3, 5)
DRAWS = 400
RESULT = Path("docs/benchmarks/false_claims")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--method", required=True, help="name of the method in params.yaml")
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"comparisons per line ({DRAWS})")
    arguments = parser.parse_args()
    try:
        info = read_tokens_info(Path("data/tokens"))
        rows = [
            {
                "metric": metric,
                "seeds": seeds,
                "claims": claimed(trainings, metric, seeds=seeds, draws=arguments.draws),
            }
            for metric, trainings in stored(info, arguments.method).items()
            for seeds in SEEDS
        ]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    content = {
        "task": info.task,
        "method": arguments.method,
        "examples": info.examples["validation"],
        "draws": arguments.draws,
        "rows": rows,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.with_suffix(".json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
    RESULT.with_suffix(".md").write_text(page(content), "utf-8")
    print(RESULT.with_suffix(".md").read_text("utf-8"))
    return 0


def stored(info: TokensInfo, method: str) -> dict[str, list[Parts]]:
    """Return, for each of the task's scores that is made of sums, the stored answers of all seeds.

    Raises:
        InputError: There are too few seeds.
    """
    folders = sorted(Path("evaluations").glob(f"{method}-*"))
    needed = NAMES * max(SEEDS)
    if len(folders) < needed:
        raise InputError(
            f"evaluations holds {len(folders)} seeds of {method}, and {needed} are needed; list so many "
            "under `seeds` in params.yaml and `tritune run`"
        )
    read: Any = task_module(info.task, "parts").parts
    metrics = metrics_of(info.task, objective=info.objective)
    found = {}
    for metric in (main_metric(info.task, objective=info.objective), metrics[0], metrics[-1]):
        parts = [
            read(folder, metric, split="validation", labels=len(info.labels), objective=info.objective)
            for folder in folders
        ]
        if parts[0] is not None:
            found[metric] = parts
    return found


def claimed(trainings: Sequence[Parts], metric: str, *, seeds: int, draws: int) -> float:
    """Return the share of comparisons that claim any difference.

    Args:
        trainings: One method's answers, a seed each.
        seeds: Of each of the names.
    """
    draw = np.random.default_rng(seeds)
    examples = len(trainings[0].ids)
    claims = 0
    for _ in range(draws):
        half = np.sort(draw.choice(examples, examples // 2, replace=False))
        chosen = draw.choice(len(trainings), NAMES * seeds, replace=False)
        parts = [
            replace(trainings[index], ids=half.tolist(), values=trainings[index].values[half])
            for index in chosen
        ]
        names = {str(n): parts[n * seeds : (n + 1) * seeds] for n in range(NAMES)}
        scores = {name: [plain_score(one) for one in each] for name, each in names.items()}
        evidence = weigh(scores, metric=metric, parts=names)
        claims += any(one.claimed for one in evidence.differences)
    return claims / draws


def page(content: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    draws = content["draws"]
    noise = 2 * (0.05 * 0.95 / draws) ** 0.5
    lines = [
        "# How often a difference is claimed where there is none",
        "",
        f"One method ({content['method']}) under {NAMES} names, each with seeds of its own, on halves of "
        f"{content['examples']:,} validation examples; {draws} comparisons a line, from stored predictions. "
        "At most 5 % may claim a difference between any two of the names, give or take "
        f"{100 * noise:.1f} % for so many comparisons. Made by `python -m benchmarks.false_claims`.",
        "",
        "| score | seeds of each name | comparisons with a false claim |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {metric_title(row['metric'])} | {row['seeds']} | {100 * row['claims']:.1f} % |"
        for row in content["rows"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
