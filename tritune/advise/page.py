"""The advice as one HTML file: no network, no scripts, the same bytes for the same results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tritune.charts import Curve, size_chart
from tritune.metrics.catalogue import METRICS, metric_title
from tritune.report import compute, count, p_value, page_style, score, signed

TEMPLATE = Path(__file__).with_name("page.html.j2")


def render_advice(advice: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        advice: Content of advice.json.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(count=count, score=score, signed=signed, p_value=p_value, compute=compute)
    metric = advice["metric"]
    charts = {
        split: Markup(
            size_chart(
                [_curve(advice, method, split) for method in advice["methods"]],
                title=f"{split} {metric_title(metric)} of each method by number of labelled examples",
                x_label="labelled examples (logarithmic)",
                y_label=f"{metric_title(metric)} ({_better(metric)} is better)",
            )
        )
        for split in ("validation", "test")
    }
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        advice=advice,
        charts=charts,
        metric_name=metric_title(metric),
        turned=not METRICS[metric].higher_is_better,
        style=Markup(page_style()),
    )
    return page.rstrip() + "\n"


def _better(metric: str) -> str:
    return "higher" if METRICS[metric].higher_is_better else "lower"


def _curve(advice: Mapping[str, Any], method: str, split: str) -> Curve:
    points = []
    for size in advice["sizes"]:
        found = next(one for one in size["methods"] if one["method"] == method)[split]
        points.append((size["examples"], found["mean"], found["interval"]))
    # A forecast is one of the validation score.
    more = advice["forecasts"][method] if split == "validation" else []
    return Curve(method, points, [(one["examples"], one["score"], one["interval"]) for one in more])
