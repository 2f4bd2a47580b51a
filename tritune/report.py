"""The comparison as one HTML file: no network, no scripts, the same bytes for the same results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tritune.charts import Dot, Line, dot_chart, floor_fits, line_chart, wide_enough
from tritune.heat import heats
from tritune.metrics.catalogue import METRICS, metric_title
from tritune.sweep.panel import panel
from tritune.sweep.result import Sweep

TEMPLATE = Path(__file__).with_name("report.html.j2")
LONGEST_TEXT = 400
"""Characters of a shown text."""


@dataclass(frozen=True)
class ReportContent:
    """Everything that the report shows, as plain values."""

    comparison: Mapping[str, Any]
    """Content of comparison.json."""

    histories: Mapping[str, Mapping[int, Sequence[Mapping[str, Any]]]]
    """Method -> seed -> one row per epoch."""

    task_template: Path
    """The task's own part: what it shows of the model to ship."""

    task_block: Mapping[str, Any]
    """Variables of that template."""

    data_columns: Mapping[str, Mapping[str, int]]
    """Split -> what the task tells of it besides rows and lengths, by heading; the same headings for all."""

    profile: Mapping[str, Any]
    """Content of profile.json."""

    parameters: Mapping[str, Any]
    """Name -> value or mapping: the parameters, and the versions that computed the result."""

    monitor: str
    """Metric that picked the best epoch."""

    sweeps: Mapping[str, Sweep]
    """Method -> what its sweep found."""

    changes: Mapping[str, Sequence[Mapping[str, Any]]]
    """Method -> content of changes.json for each seed, see `tritune.explanation.changes`."""


def render_report(content: ReportContent) -> str:
    """Return the page. Every text that came from data is escaped."""
    # The template is our own; autoescape is on for all that is put into it.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        count=count,
        score=score,
        signed=signed,
        p_value=p_value,
        compute=compute,
        shown=shown,
        percent=percent,
    )
    comparison = content.comparison
    metric = comparison["metric"]
    method = next(one for one in comparison["methods"] if one["method"] == comparison["chosen"]["method"])
    shipped = next(one for one in method["seeds"] if one["seed"] == comparison["chosen"]["seed"])
    block = environment.from_string(content.task_template.read_text(encoding="utf-8"))
    tables, left_out = heats(content.changes)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        content=content,
        comparison=comparison,
        shipped=shipped,
        several_seeds=len(method["seeds"]) > 1,
        metric=metric,
        metric_name=metric_title(metric),
        metric_title=metric_title,
        lower_is_better=[name for name in comparison["metrics"] if not METRICS[name].higher_is_better],
        task_part=Markup(block.render(content.task_block)),
        score_chart=_score_chart(comparison),
        floor_drawn=_floor_drawn(comparison),
        floors=[one for one in (comparison["floor"], comparison["baseline"]) if one is not None],
        curves=(curves := _curves(content)),
        slice_examples=curves[0]["best"].get("train_slice_examples"),
        onset_drawn=any(panel["watch"]["onset"] for panel in curves),
        sweeps=[panel(name, sweep) for name, sweep in content.sweeps.items() if sweep.trials or sweep.parts],
        heats=tables,
        left_out=left_out,
        parameters=[(name, _lines(value)) for name, value in content.parameters.items()],
    )
    return page.rstrip() + "\n"


def page_style() -> str:
    """Return the style of the page, which other pages share."""
    return TEMPLATE.read_text(encoding="utf-8").partition("<style>")[2].partition("</style>")[0]


def count(value: float) -> str:
    """Return a whole number with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def score(value: float) -> str:
    """Return a score with four decimals, a true minus in front where it is below 0."""
    return f"{value:.4f}".replace("-", "\u2212")


def signed(value: float) -> str:
    """Return a difference of scores with its sign and four decimals."""
    return f"{value:+.4f}".replace("-", "\u2212")


def p_value(value: float) -> str:
    """Return a p-value with as many digits as are worth reading."""
    return "<\u202f0.001" if value < 0.001 else f"{value:.3f}"


def percent(value: float) -> str:
    """Return a share in [0, 1] as a percentage with one decimal."""
    return f"{100 * value:.1f}\u202f%"


def compute(value: float) -> str:
    """Return a number of floating point operations with three digits and its unit."""
    for unit, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:#.3g}".rstrip(".") + f"\u202f{unit}FLOP"
    return f"{value:.0f}\u202fFLOP"


def shown(text: str) -> str:
    """Return a text of the data fit to be shown: shortened, and without control characters."""
    visible = "".join(c if c.isprintable() or c in "\n\t " else "\ufffd" for c in text[:LONGEST_TEXT])
    return visible + ("…" if len(text) > LONGEST_TEXT else "")


def _score_chart(comparison: Mapping[str, Any]) -> Markup:
    metric = comparison["metric"]
    dots = [
        Dot(
            label=method["method"],
            filled=method["validation"][metric],
            hollow=method["test"][metric],
            each=[seed["validation"][metric] for seed in method["seeds"]] if len(method["seeds"]) > 1 else (),
            strong=method["method"] == comparison["chosen"]["method"],
        )
        for method in comparison["methods"]
    ]
    better = "higher" if METRICS[metric].higher_is_better else "lower"
    return Markup(
        dot_chart(
            dots,
            title=f"{metric_title(metric)} of each method on validation and test",
            x_label=f"{metric_title(metric)} ({better} is better)",
            floor=comparison["floor"]["validation"][metric] if _floor_drawn(comparison) else None,
        )
    )


def _floor_drawn(comparison: Mapping[str, Any]) -> bool:
    metric, floor = comparison["metric"], comparison["floor"]
    if floor is None or metric not in floor["validation"]:
        return False
    scores = [one[split][metric] for one in comparison["methods"] for split in ("validation", "test")]
    return floor_fits(scores, floor["validation"][metric])


def _curves(content: ReportContent) -> list[dict[str, Any]]:
    """Return two charts per method, with the same scales for all methods, and what its watch found."""
    monitor = content.monitor
    keys = {
        "loss": _shown_keys(content, "train_slice_loss", "validation_loss", instead="train_loss"),
        "score": _shown_keys(content, f"train_slice_{monitor}", f"validation_{monitor}"),
    }
    rows = [row for seeds in content.histories.values() for history in seeds.values() for row in history]
    epochs = (1.0, float(max(row["epoch"] for row in rows)))
    panels = []
    for method in content.comparison["methods"]:
        name = method["method"]
        seeds = content.histories[name]
        front = _front_seed(content.comparison, method)
        found = content.comparison["overfit_watch"]["methods"][name][str(front)]
        best = next(row for row in seeds[front] if row["best"])
        charts = {
            kind: Markup(
                line_chart(
                    [
                        Line([(row["epoch"], row[key]) for row in seeds[seed]], series, seed != front)
                        for seed in sorted(seeds, key=lambda seed: seed == front)  # the front one drawn last
                        for series, key in shown.items()
                    ],
                    title=f"{name}: {'loss' if kind == 'loss' else metric_title(monitor)} by epoch",
                    x_label="epoch",
                    x_range=epochs,
                    y_range=wide_enough([row[key] for row in rows for key in shown.values()]),
                    marked=(best["epoch"], best[shown[2]]),
                    since=found["onset"],
                )
            )
            for kind, shown in keys.items()
        }
        panels.append(
            {
                "method": name,
                "seed": front,
                "seeds": len(seeds),
                "best": best,
                "watch": found,
                "others": _other_verdicts(content.comparison["overfit_watch"]["methods"][name], front),
                **charts,
            }
        )
    return panels


def _shown_keys(
    content: ReportContent, training: str, validation: str, *, instead: str | None = None
) -> dict[int, str]:
    """Return series -> column: 1 of training rows where every history has it, 2 of validation rows."""
    every = [history for seeds in content.histories.values() for history in seeds.values()]
    known = training if all(training in history[0] for history in every) else instead
    return {**({1: known} if known is not None else {}), 2: validation}


def _other_verdicts(found: Mapping[str, Mapping[str, Any]], front: int) -> str:
    """Return how the seeds that the sentence is not about came out: `seed 21: overfitting`; may be empty."""
    return ", ".join(f"seed {seed}: {one['verdict']}" for seed, one in found.items() if seed != str(front))


def _front_seed(comparison: Mapping[str, Any], method: Mapping[str, Any]) -> int:
    chosen = comparison["chosen"]
    return int(chosen["seed"] if chosen["method"] == method["method"] else method["seeds"][0]["seed"])


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}: {inner}" for key, inner in value.items()]
    return [str(value)]
