"""What Prefect's pages show of a run beside its stages: its name, why stages are stale, and the results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.summary import comparison_rows, read_comparison, verdict
from tritune.metrics.catalogue import metric_title
from tritune.pipeline.dag import Stage

NAMES_SHOWN = 4
"""Methods or stages that a run's name lists before it says how many more there are."""


def run_name(stages: Sequence[Stage], *, source: str) -> str:
    """Return what a run has to do and on which data: `train full, partial on topics.csv`.

    Args:
        stages: All, with DVC's verdicts.
        source: `data.source` of params.yaml.
    """
    stale = [stage for stage in stages if stage.stale]
    trained = [stage.name.removeprefix("train@") for stage in stale if stage.kind == "train"]
    methods = list(dict.fromkeys(name.rpartition("-")[0] or name for name in trained))
    if methods:
        work = f"train {_listed(methods)}"
    else:
        work = _listed(list(dict.fromkeys(stage.kind for stage in stale))) or "nothing stale"
    return f"{work} on {_data_name(source)}"


def retraining_name(source: str) -> str:
    """Return what a night does and on which data: `retrain on topics.csv`.

    Args:
        source: `data.source` of params.yaml.
    """
    return f"retrain on {_data_name(source)}"


def plan_rows(stages: Sequence[Stage]) -> list[dict[str, str]]:
    """Return one row per stage: what DVC says of it."""
    return [
        {
            "stage": stage.name,
            "verdict": "stale" if stage.stale else "up to date",
            "why": "; ".join(stage.reasons),
        }
        for stage in stages
    ]


def plan_title(stages: Sequence[Stage]) -> str:
    """Return what the table of stages says in one sentence."""
    return f"{sum(stage.stale for stage in stages)} of {len(stages)} stages may have work to do, and why"


def epoch_rows(root: Path) -> list[dict[str, str]]:
    """Return the learning curves as a table: one row per training and epoch; empty without a comparison."""
    from pyarrow.parquet import ParquetFile  # read_table imports pandas

    comparison = read_comparison(root)
    metric = str(comparison.get("metric", ""))
    rows = []
    for method in comparison.get("methods", []):
        for seed in method.get("seeds", []):
            path = root / f"histories/{method['method']}-{seed['seed']}.parquet"
            if not path.is_file():
                continue
            for epoch in ParquetFile(path).read().to_pylist():
                rows.append(
                    {
                        "method": method["method"],
                        "seed": str(seed["seed"]),
                        "epoch": str(epoch["epoch"]),
                        "training loss": f"{epoch['train_loss']:.4f}",
                        "validation loss": f"{epoch['validation_loss']:.4f}",
                        **(
                            {f"validation {metric_title(metric)}": f"{epoch[f'validation_{metric}']:.4f}"}
                            if f"validation_{metric}" in epoch  # what needs written text is known at the end
                            else {}
                        ),
                        "weights kept": "yes" if epoch["best"] else "",
                    }
                )
    return rows


def report_text(root: Path, *, registered: str | None) -> str:
    """Return the results as Markdown; empty without a comparison.

    Args:
        registered: What became of the model in the registry, as Markdown; None: nothing.
    """
    rows = comparison_rows(root)
    if not rows:
        return ""
    parts = [f"**{as_markdown(verdict(root))}**", _table(rows)]
    if warnings := read_comparison(root).get("warnings", []):
        parts.append("\n".join(f"- {as_markdown(warning)}" for warning in warnings))
    if registered:
        parts.append(f"Registered: {registered}")
    report = root / "results/report.html"
    if report.is_file():
        # A browser follows no link from this page to a file.
        parts.append(
            "Learning curves, scores per class, calibration and the surest mistakes are in the report; "
            f"open this file in the browser:\n\n```\n{report}\n```"
        )
    return "\n\n".join(parts)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _data_name(source: str) -> str:
    scheme, colon, rest = source.partition(":")
    if colon and scheme in {"hub", "package"}:
        return rest.partition("@")[0]
    return Path(source).name or source


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    headings = list(rows[0])
    lines = [headings, ["---" if heading == "method" else "---:" for heading in headings]]
    lines += [[as_markdown(value) for value in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_markdown(text: Any) -> str:
    """Return a text that Markdown shows as it is: names of methods and labels are the user's."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in str(text).replace("\n", " "))
