"""Tables of two papers beside what the same ways to fine-tune give here, from the numbers that are recorded.

    tritune use sun2019_decay && tritune run && python -m benchmarks.record
    tritune use ulmfit_table7 && tritune run && python -m benchmarks.record
    python -m benchmarks.papers

The page is docs/papers.md. Sources: Sun et al. 2019, table 4, https://arxiv.org/abs/1905.05583; Howard &
Ruder 2018, table 7, https://arxiv.org/abs/1801.06146.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from benchmarks.prepared import ROOT

RESULT = ROOT / "docs/papers.md"


@dataclass(frozen=True)
class Paper:
    """A table, with the methods of the configuration that does the same."""

    title: str
    configuration: str
    columns: tuple[str, ...]
    """What each of their numbers is of."""

    rows: Mapping[str, tuple[str, tuple[float, ...]]]
    """Our method -> their name of it, and their error rates in percent."""

    difference: str
    """What is not the same as theirs."""


PAPERS = (
    Paper(
        "Layer-wise decay of the learning rate (Sun et al. 2019, table 4)",
        "sun2019_decay",
        ("IMDb, rate 2.5e-5", "IMDb, rate 2.0e-5"),
        {
            "decay_100": ("1.00", (5.52, 5.42)),
            "decay_095": ("0.95", (5.46, 5.40)),
            "decay_090": ("0.90", (5.44, 5.52)),
            "decay_085": ("0.85", (5.58, 5.65)),
        },
        "Theirs is BERT-base, twelve layers, on 25,000 reviews of up to 512 tokens, one training a row. "
        "Ours is an encoder of six layers, a fifth of the size, on utterances of some ten tokens in many "
        "classes: its errors are far above theirs whatever the decay. At 0.85 the lowest of six layers "
        "still learns at 0.44 of the top rate, the lowest of twelve at 0.17: the factors stand closer "
        "together here.",
    ),
    Paper(
        "Ways to fine-tune a classifier (Howard & Ruder 2018, table 7)",
        "ulmfit_table7",
        ("IMDb", "TREC-6", "AG"),
        {
            "full": ("Full", (6.87, 6.86, 5.81)),
            "full_discr": ("Full + discr", (5.57, 6.21, 5.62)),
            "last": ("Last", (6.49, 16.09, 8.38)),
            "freez": ("Freez + stlr", (5.04, 6.02, 5.35)),
            "freez_discr": ("Freez + discr + stlr", (5.00, 5.69, 5.38)),
        },
        "Theirs is an LSTM of three layers that was first tuned as a language model on the same texts; "
        "their first three rows have a constant rate, ours all have the slanted triangle. Ours is a "
        "transformer that was trained to compare sentences, on far fewer and shorter texts. At 1/2.6 a "
        "layer the lowest of six learns at 0.8 % of the top rate, where the lowest of three has 15 %: "
        "discriminative rates nearly freeze it here.",
    ),
)


def main() -> None:
    text = page({paper.configuration: recorded(paper.configuration) for paper in PAPERS})
    RESULT.write_text(text, "utf-8")
    print(text)


def recorded(configuration: str) -> dict[str, Any]:
    """Return what `benchmarks.record` kept of a configuration.

    Raises:
        SystemExit: It was not run.
    """
    path = ROOT / f"docs/results/{configuration}.json"
    if not path.is_file():
        raise SystemExit(
            f"{path.relative_to(ROOT)} is missing; run `tritune use {configuration}`, `tritune run` and "
            "`python -m benchmarks.record`, then this again"
        )
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def page(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the tables as Markdown.

    Args:
        records: By configuration, as `benchmarks.record` writes them; their metric is accuracy.
    """
    lines = [
        "# Two papers' tables, here",
        "",
        "Error rates in percent. Their numbers are those of the papers; ours are of the test split, mean "
        "over the seeds with the standard deviation of the seeds, from `docs/results/`. What can be "
        "compared is the difference between rows, not their level. Made by `python -m benchmarks.papers`.",
    ]
    for paper in PAPERS:
        record = records[paper.configuration]
        errors = {
            method["name"]: [100 * (1 - value) for value in method["seeds"].values()]
            for method in record["methods"]
        }
        baseline = fmean(errors[next(iter(paper.rows))])
        lines += [
            "",
            f"## {paper.title}",
            "",
            f"`configs/{paper.configuration}.yaml`: {record['examples']['train']:,} training and "
            f"{record['examples']['test']:,} test rows, {record['epochs']} epochs, seeds "
            f"{', '.join(record['methods'][0]['seeds'])}.",
            "",
            f"| theirs | {' | '.join(paper.columns)} | ours | error | against the first row |",
            f"|---|{'---:|' * len(paper.columns)}---|---:|---:|",
        ]
        for method, (name, theirs) in paper.rows.items():
            own = errors[method]
            spread = f" ± {stdev(own):.1f}" if len(own) > 1 else ""
            cells = [
                name,
                *(f"{value:.2f}" for value in theirs),
                f"`{method}`",
                f"{fmean(own):.1f}{spread}",
                f"{fmean(own) - baseline:+.1f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", f"Why they differ: {paper.difference[0].lower()}{paper.difference[1:]}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
