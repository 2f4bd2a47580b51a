"""Where the labelled text comes from, and what is asked of it."""

from typing import Annotated, Literal

from pydantic import Field

from tritune.settings.section import Section


class DataSettings(Section):
    """The section `data`: used by the stages `fetch` and `ingest`."""

    source: Annotated[str, Field(min_length=1)]
    """A file, a folder, `hub:OWNER/NAME@REVISION`, or `package:NAME/FOLDER`."""

    text: str = "text"
    """Column that holds the text."""

    label: str = "label"
    """Column that holds the label."""

    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the training rows to cut off where the source has no validation split."""

    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the training rows to cut off where the source has no test split."""

    min_rows_per_class: Annotated[int, Field(ge=2)] = 2
    """Distinct training texts that every class needs."""

    rare_classes: Literal["error", "drop"] = "error"
    """What to do with a class that has fewer."""
