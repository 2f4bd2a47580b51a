"""Questions with their contexts to token rows, in the form that the objective learns from."""

from collections.abc import Sequence

from tritune.question_answering.span_rows import SpanEncoder
from tritune.question_answering.written_rows import WrittenEncoder
from tritune.settings.model import TokenizeSettings
from tritune.task.contract import Encoder
from tritune.tokenizing import TextTokenizer


def encoder(
    tokenizer: TextTokenizer,
    settings: TokenizeSettings,
    *,
    labels: Sequence[str],  # noqa: ARG001
    objective: str,
    given: Sequence[str],  # noqa: ARG001
) -> Encoder:
    """Return the encoder of this task; see `tritune.task.contract.Encoder`."""
    stride = settings.stride_for(tokenizer.max_length)
    if objective == "spans":
        return SpanEncoder(tokenizer, stride=stride)
    return WrittenEncoder(tokenizer, writes_on=objective == "causal_lm", stride=stride)
