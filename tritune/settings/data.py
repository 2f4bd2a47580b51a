"""Where the labelled text comes from, and what is asked of it."""

from typing import Annotated, Literal

from pydantic import Field

from tritune.settings.section import Section


class DataSettings(Section):
    """The section `data`: used by the stages `fetch` and `ingest`."""

    source: Annotated[str, Field(min_length=1)]
    """A file, a folder, `hub:OWNER/NAME@REVISION`, or `package:NAME/FOLDER`."""

    text: str = "text"
    """Classification: column that holds the text."""

    text_pair: str | None = None
    """Classification: column that holds a second text, where pairs of texts are labelled."""

    label: str = "label"
    """Classification: column that holds the label, or the labels with `multi_label`."""

    multi_label: bool = False
    """Classification: whether a text has any number of labels, none included."""

    label_separator: Annotated[str, Field(min_length=1)] = ","
    """Between the labels of a text in a csv or tsv, with `multi_label`."""

    tokens: str = "tokens"
    """Entities: column that holds the list of words."""

    tags: str = "ner_tags"
    """Entities: column that holds the list of their tags, such as B-person, I-person and O."""

    context: str = "context"
    """Question answering: column that holds the text to answer from."""

    question: str = "question"
    """Question answering: column that holds the question."""

    answers: str = "answers"
    """Question answering: column that holds the answers: `text` and `answer_start`, lists of equal length."""

    messages: str = "messages"
    """Dialogue: column that holds the turns, each with `role` (system, user, assistant) and `content`."""

    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the training rows to cut off where the source has no validation split."""

    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the training rows to cut off where the source has no test split."""

    min_rows_per_class: Annotated[int, Field(ge=2)] = 2
    """Distinct training texts that every class needs."""

    rare_classes: Literal["error", "drop"] = "error"
    """What to do with a class that has fewer."""
