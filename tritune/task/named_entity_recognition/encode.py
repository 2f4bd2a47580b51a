"""Words to token rows in which each word's first token has the id of its tag."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tritune.settings.model import TokenizeSettings
from tritune.tags import OUTSIDE
from tritune.tokenizing import TextTokenizer
from tritune.tokens import IGNORED, token_schema
from tritune.word_pieces import WordPieces
from tritune.word_windows import word_windows

NO_WORD = -1
"""In the column `words`: a token that stands for no word."""


def encoder(
    tokenizer: TextTokenizer,
    settings: TokenizeSettings,
    *,
    labels: Sequence[str],
    objective: str,  # noqa: ARG001
    given: Sequence[str],  # noqa: ARG001
) -> "TagEncoder":
    """Return the encoder of this task; see `tritune.task.contract.Encoder`."""
    return TagEncoder(tokenizer, labels, stride=settings.stride_for(tokenizer.max_length))


class TagEncoder:
    """One row per text, or per window of a longer one."""

    columns = ("id", "tokens", "tags")
    inputs = ("text",)

    def __init__(self, tokenizer: TextTokenizer, labels: Sequence[str], *, stride: int) -> None:
        self._pieces = WordPieces(tokenizer.tokenizer)
        self._room = tokenizer.max_length - self._pieces.special_tokens
        self._stride = stride
        self.answering: Mapping[str, Any] = {"stride": stride}
        self._pad = tokenizer.pad_token_id
        self._label_ids = {label: index for index, label in enumerate(labels)}
        self.schema = token_schema(listed_labels=True, own={"words": pa.list_(pa.int32())})

    def encode(self, rows: Mapping[str, Sequence[Any]], counts: dict[str, int]) -> pa.RecordBatch:
        """Return the token rows of some texts.

        The first token of a word has the word's tag as label, as in transformers' own example; all others are
        `IGNORED`, and so is the first where training knows no such tag. The column `words` has the word's
        number in the text at each token that answers for a word, and `NO_WORD` elsewhere.

        Counted are `windows` beyond the first of a text, `words_without_tokens`, `words_cut` (longer than a
        whole window; their end is lost), and `words_not_learnt` (of a type that data.rare_classes left out).

        Args:
            rows: `id`, `tokens`, `tags`.
        """
        found: dict[str, list[Any]] = {"id": [], "input_ids": [], "labels": [], "words": []}
        for name in ("windows", "words_without_tokens", "words_cut", "words_not_learnt"):
            counts.setdefault(name, 0)
        for row_id, tags, pieces in zip(
            rows["id"], rows["tags"], self._pieces.encode(rows["tokens"]), strict=True
        ):
            kept = [word[: self._room] for word in pieces.words]
            counts["words_cut"] += sum(len(word) > self._room for word in pieces.words)
            counts["words_without_tokens"] += sum(not word for word in kept)
            counts["words_not_learnt"] += sum(tag not in self._label_ids for tag in tags)
            windows = word_windows([len(word) for word in kept], room=self._room, stride=self._stride)
            counts["windows"] += len(windows) - 1
            for window in windows:
                ids, labels, words = list(pieces.before), [], []
                for index in range(window.start, window.end):
                    answered = window.answered_from <= index < window.answered_to
                    for place, token in enumerate(kept[index]):
                        asked = answered and place == 0
                        labels.append(self._label_ids.get(tags[index], IGNORED) if asked else IGNORED)
                        words.append(index if asked else NO_WORD)
                        ids.append(token)
                ids += pieces.after
                # A text without any token still needs one, for its words to be counted as missed.
                ids = ids or [self._pad]
                head, tail = len(pieces.before), len(ids) - len(pieces.before) - len(labels)
                found["id"].append(row_id)
                found["input_ids"].append(ids)
                found["labels"].append([IGNORED] * head + labels + [IGNORED] * tail)
                found["words"].append([NO_WORD] * head + words + [NO_WORD] * tail)
        return pa.record_batch(
            [pa.array(found[field.name], field.type) for field in self.schema], schema=self.schema
        )


def words_batch(encoder: TagEncoder, texts: Sequence[Sequence[str]]) -> pa.RecordBatch:
    """Return the token rows of texts without tags; their ids are the texts' numbers."""
    rows = {
        "id": [str(number) for number in range(len(texts))],
        "tokens": texts,
        "tags": [[OUTSIDE] * len(words) for words in texts],
    }
    return encoder.encode(rows, {})
