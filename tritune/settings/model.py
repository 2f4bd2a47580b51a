"""Where the pretrained model comes from, and how text is cut for it."""

from typing import Annotated

from pydantic import Field

from tritune.settings.section import Section


class ModelSettings(Section):
    """The section `model`: used by the stage `fetch`."""

    source: Annotated[str, Field(min_length=1)]
    """A folder, `hub:OWNER/NAME@REVISION`, or `package:NAME/FOLDER`."""


class TokenizeSettings(Section):
    """The section `tokenize`."""

    max_length: Annotated[int, Field(ge=4)] = 128
    """Tokens per example, special tokens included. Longer texts lose their end."""
