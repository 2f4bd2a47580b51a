"""When a model may replace the one in production."""

from typing import Annotated

from pydantic import Field

from tritune.settings.section import Section


class RegisterSettings(Section):
    """The section `register`: the promotion gate."""

    margin: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """A challenger has to be shown to lie less than this below the champion, on the champion's test rows."""

    class_margin: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """How much lower a class's share of right answers may be where the rows show that it is."""

    calibration_margin: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """How much higher the expected calibration error may be."""
