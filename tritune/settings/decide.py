"""How the model to ship is chosen."""

from typing import Annotated, Literal

from pydantic import Field

from tritune.settings.section import Section
from tritune.settings.train import MetricName


class CompareSettings(Section):
    """The section `compare`: the choice between methods, on the validation split only."""

    metric: MetricName = "auto"
    rule: Literal["best", "cheapest_not_worse"] = "cheapest_not_worse"
    """best: the highest mean score. cheapest_not_worse: of the methods that are not shown to be worse than
    the best, the one with the least trained compute. One or two seeds can show nothing; then it is the
    cheapest of those within `margin` of the best."""

    margin: Annotated[float, Field(ge=0)] = 0.01
    """Scores closer than this are as good as equal, in the metric's own unit."""
