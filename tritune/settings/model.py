"""Where the pretrained model comes from, and how text is cut for it."""

from typing import Annotated, Literal

from pydantic import Field

from tritune.settings.section import Section

MAX_LENGTH = {
    "text_classification": 128,
    "named_entity_recognition": 256,
    "question_answering": 384,
    "dialogue": 512,
}
"""Tokens per row where `max_length` is auto."""


class ModelSettings(Section):
    """The section `model`: used by the stage `fetch`."""

    source: Annotated[str, Field(min_length=1)]
    """A folder, a .gguf file, `hub:OWNER/NAME@REVISION`, or `package:NAME/PATH`."""

    decoder: Annotated[str, Field(min_length=1)] | None = None
    """A second encoder, which becomes the decoder of an encoder-decoder; its cross-attention is new."""


class TokenizeSettings(Section):
    """The section `tokenize`."""

    max_length: Annotated[int, Field(ge=4)] | Literal["auto"] = "auto"
    """Tokens per row, special tokens included. auto: by task, see `MAX_LENGTH`."""

    truncation: Literal["head", "tail", "head_tail"] = "head"
    """Classification: what is kept of a longer text. head_tail: a quarter from its start, the rest from its
    end."""

    stride: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Entities and answers: tokens that two neighbouring windows of a longer text share. auto: a third of
    `max_length`."""

    def length_for(self, task: str) -> int:
        """Return `max_length`, or what `auto` stands for in this task."""
        return MAX_LENGTH[task] if self.max_length == "auto" else self.max_length

    def stride_for(self, length: int) -> int:
        """Return `stride`, or what `auto` stands for where rows have `length` tokens."""
        return length // 3 if self.stride == "auto" else self.stride


class GenerateSettings(Section):
    """The section `generate`: how answers and replies are written. Greedy: the likeliest token each time."""

    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] = 64
    """Tokens at most."""

    replies: Annotated[int, Field(ge=1)] = 100
    """Dialogue: turns of a split, at most, that a reply is written for when a model is evaluated."""
