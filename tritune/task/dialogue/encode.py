"""Dialogues to token rows: a decoder's with a label on every token of the assistant's, or a row per reply."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from tritune.chat.messages import Message
from tritune.chat.template import PLAIN, Chat, assistant_turns
from tritune.chat.windows import (
    REPLIES_CUT,
    TOKENS_LOST,
    DialogueRow,
    dialogue_rows,
    fitting_prompt,
)
from tritune.settings.model import TokenizeSettings
from tritune.tokenizing import TextTokenizer
from tritune.tokens import IGNORED, token_schema

TEMPLATE_FILE = "chat_template.jinja"


def encoder(
    tokenizer: TextTokenizer,
    settings: TokenizeSettings,  # noqa: ARG001
    *,
    labels: Sequence[str],  # noqa: ARG001
    objective: str,
    given: Sequence[str],  # noqa: ARG001
) -> "DialogueEncoder":
    """Return the encoder of this task; see `tritune.task.contract.Encoder`."""
    return DialogueEncoder(tokenizer, reads_first=objective == "sequence_to_sequence")


class DialogueEncoder:
    """One row per dialogue, or several where it is long; for encoder-decoders one per reply.

    `turns` leads back: which turn of the dialogue each run of labelled tokens is, from 0.
    """

    columns = ("id", "messages")
    inputs = ("messages",)
    answering: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, tokenizer: TextTokenizer, *, reads_first: bool) -> None:
        self._chat = Chat(tokenizer.tokenizer, reads_first=reads_first)
        self._limit = tokenizer.max_length
        self.schema = token_schema(listed_labels=True, own={"turns": pa.list_(pa.int32())})
        # So that other programs write turns as this training did.
        self.files: Mapping[str, str] = (
            {TEMPLATE_FILE: PLAIN} if self._chat.is_plain and not reads_first else {}
        )

    def encode(self, rows: Mapping[str, Sequence[Any]], counts: dict[str, int]) -> pa.RecordBatch:
        """Return the token rows of some dialogues.

        Counted are turns whose oldest history was left out, questions that lost their beginning, replies cut
        into parts, and, where a reply can't be, the tokens that it lost.

        Raises:
            InputError: A dialogue can't be told exactly into tokens of the assistant and others.
        """
        ids: list[str] = []
        table: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "turns": []}
        rows_of = self._replies if self._chat.reads_first else self._wholes
        for row_id, encoded in rows_of(rows["id"], rows["messages"], counts):
            ids.append(row_id)
            for name, values in zip(table, encoded, strict=True):
                table[name].append(values)
        kinds = {name: self.schema.field(name).type for name in table}
        columns = [pa.array(values, kinds[name]) for name, values in table.items()]
        return pa.record_batch([pa.array(ids, pa.string()), *columns], schema=self.schema)

    def _wholes(
        self, names: Sequence[str], dialogues: Sequence[list[Message]], counts: dict[str, int]
    ) -> list[tuple[str, tuple[list[int], list[int], list[int]]]]:
        for name, messages in zip(names, dialogues, strict=True):
            self._chat.refuse_special(messages, name)
        found = []
        for name, messages, whole in zip(names, dialogues, self._chat.wholes(dialogues, names), strict=True):
            if len(whole.ids) <= self._limit:
                rows = [DialogueRow(whole.ids, whole.spans, assistant_turns(messages))]
            else:
                rows = dialogue_rows(self._chat, messages, limit=self._limit, counts=counts, name=name)
            found += [(name, (row.ids, _labels(row), row.turns)) for row in rows]
        return found

    def _replies(
        self, names: Sequence[str], dialogues: Sequence[list[Message]], counts: dict[str, int]
    ) -> list[tuple[str, tuple[list[int], list[int], list[int]]]]:
        found = []
        for name, messages in zip(names, dialogues, strict=True):
            self._chat.refuse_special(messages, name)
            for turn in assistant_turns(messages):
                before = messages[:turn]
                read = fitting_prompt(self._chat, before, limit=self._limit, counts=counts, name=name)
                written = self._chat.reply(messages[turn]["content"])
                lost = max(0, len(written) - self._limit)
                if lost:
                    counts[REPLIES_CUT] = counts.get(REPLIES_CUT, 0) + 1
                    counts[TOKENS_LOST] = counts.get(TOKENS_LOST, 0) + lost
                found.append((name, (read, written[: self._limit], [turn])))
        return found


def _labels(row: DialogueRow) -> list[int]:
    labels = [IGNORED] * len(row.ids)
    for start, end in row.spans:
        labels[start:end] = row.ids[start:end]
    return labels
