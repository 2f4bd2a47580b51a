"""How the model to ship is chosen."""

from typing import Annotated, Literal

from pydantic import Field

from tritune.settings.section import Section
from tritune.settings.train import MetricName


class CompareSettings(Section):
    """The section `compare`: the choice between methods, on the validation split only."""

    metric: MetricName = "auto"
    rule: Literal["best", "cheapest_within"] = "cheapest_within"
    """best: the highest mean score. cheapest_within: of the methods whose mean score is within
    `margin` of the best, the one with the least trained compute."""

    margin: Annotated[float, Field(ge=0)] = 0.01
    """In the metric's own unit."""
