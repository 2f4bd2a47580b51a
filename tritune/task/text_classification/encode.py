"""Texts, or pairs of texts, to token rows with the id of their label, or of all their labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tritune.errors import InputError
from tritune.settings.model import TokenizeSettings
from tritune.tokenizing import TextTokenizer
from tritune.tokens import token_schema


def encoder(
    tokenizer: TextTokenizer,
    settings: TokenizeSettings,
    *,
    labels: Sequence[str],
    objective: str,
    given: Sequence[str],
) -> "ClassificationEncoder":
    """Return the encoder of this task; see `tritune.task.contract.Encoder`.

    Raises:
        InputError: Pairs of texts can't be cut in the way that the settings ask for.
    """
    pairs = "text_pair" in given
    if pairs and settings.truncation != "head":
        raise InputError(
            f"tokenize.truncation: {settings.truncation} is for single texts; with data.text_pair set it to "
            "head"
        )
    return ClassificationEncoder(tokenizer, settings, labels, pairs=pairs, several=objective == "multi_label")


class ClassificationEncoder:
    """One row per text or pair."""

    def __init__(
        self,
        tokenizer: TextTokenizer,
        settings: TokenizeSettings,
        labels: Sequence[str],
        *,
        pairs: bool,
        several: bool,
    ) -> None:
        self._tokenizer = tokenizer
        self._keep = settings.truncation
        self._label_ids = {label: index for index, label in enumerate(labels)}
        self._several = several
        self._types = pairs and tokenizer.token_types
        self.inputs: Sequence[str] = ("text", "text_pair") if pairs else ("text",)
        self.columns: Sequence[str] = ("id", *self.inputs, "label")
        self.answering = {"truncation": settings.truncation}
        self.schema = token_schema(listed_labels=several, token_types=self._types)

    def encode(self, rows: Mapping[str, Sequence[Any]], counts: dict[str, int]) -> pa.RecordBatch:
        """Return one token row per text; `truncated` counts the texts that lost a part."""
        encoded = self._tokenizer.encode(
            rows["text"], pairs=rows.get("text_pair"), keep=self._keep, row_ids=rows["id"]
        )
        counts["truncated"] = counts.get("truncated", 0) + encoded.truncated
        ids = self._label_ids
        labels = (
            [[ids[label] for label in several] for several in rows["label"]]
            if self._several
            else [ids[label] for label in rows["label"]]
        )
        columns = [rows["id"], encoded.input_ids, labels, *([encoded.token_types] if self._types else [])]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, self.schema, strict=True)]
        return pa.record_batch(arrays, schema=self.schema)
