"""Text to token ids, by the tokenizer that belongs to the base model.

Training, evaluation and prediction must cut text in the same way, so all of them come here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.truncation import Keep, cut

# Their positions are numbered from the pad token's id + 1 on, so that many of them are never used.
# Source: `create_position_ids_from_input_ids` in transformers' modeling_roberta.py.
POSITIONS_AFTER_PAD = {
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "roberta-prelayernorm",
    "mpnet",
}

# Tokenizers without a limit of their own state this or more (transformers' VERY_LARGE_INTEGER is 1e30).
NO_LIMIT = 10**9


@dataclass(frozen=True)
class Encoded:
    """Some texts as token ids."""

    input_ids: list[list[int]]
    """One list per text, special tokens in, no padding, each with at least one token."""

    truncated: int
    """Texts that lost a part."""

    token_types: list[list[int]] | None = None
    """0 on the first and 1 on the second text of a pair, where the model tells them apart by that."""


@dataclass(frozen=True)
class TextTokenizer:
    """A base model's tokenizer with everything decided that token ids depend on."""

    tokenizer: Any
    pad_token_id: int
    pad_is_eos: bool
    max_length: int
    token_types: bool = False
    """Whether the model tells a first from a second text by token types."""

    def encode(
        self,
        texts: Sequence[str],
        *,
        pairs: Sequence[str] | None = None,
        keep: Keep = "head",
        row_ids: Sequence[str] | None = None,
    ) -> Encoded:
        """Return the token ids of each text, or of each text with its second text.

        Args:
            texts: any number.
            pairs: a second text for each, where there are pairs; of the longer text of a pair more is cut.
            keep: what is kept of a text that is too long; head for pairs.
            row_ids: what an error calls each text; its number from 1 if left out.

        Raises:
            InputError: a text gives no token at all.
        """
        if not texts:
            return Encoded(input_ids=[], truncated=0)
        batch = self.tokenizer(
            list(texts),
            None if pairs is None else list(pairs),
            truncation=keep == "head",
            max_length=self.max_length if keep == "head" else None,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=pairs is not None and self.token_types,
            return_special_tokens_mask=keep != "head",
            verbose=False,
        )
        for index, ids in enumerate(batch["input_ids"]):
            if not ids:
                row = row_ids[index] if row_ids is not None else f"row {index + 1}"
                raise InputError(
                    f"{row}: the text {texts[index][:60]!r} gives no token with this model's tokenizer; "
                    "remove the row or give it words"
                )
        if keep == "head":
            return Encoded(
                input_ids=batch["input_ids"],
                truncated=sum(bool(encoding.overflowing) for encoding in batch.encodings),
                token_types=batch.get("token_type_ids"),
            )
        marks = batch["special_tokens_mask"]
        return Encoded(
            input_ids=[
                cut(ids, special, max_length=self.max_length, keep=keep)
                for ids, special in zip(batch["input_ids"], marks, strict=True)
            ],
            truncated=sum(len(ids) > self.max_length for ids in batch["input_ids"]),
        )


def load_tokenizer(folder: Path, *, max_length: int) -> TextTokenizer:
    """Return the fast tokenizer of a model folder, from local files only.

    Args:
        folder: holds `config.json` and the tokenizer's files.
        max_length: tokens per text, special tokens included; lowered to the model's own limit.

    Raises:
        InputError: the folder has no tokenizer that can be used, or it does not fit the model.
    """
    from transformers import AutoTokenizer  # seconds of import: not for those who only read the types

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except Exception as error:  # what transformers and tokenizers raise here has no common base
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"the model in {folder} has no tokenizer that can be loaded ({reason}); "
            "its folder needs tokenizer.json and tokenizer_config.json"
        ) from error
    # Without its files, transformers returns a tokenizer that knows its special tokens and nothing else.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise InputError(
            f"the model in {folder} has no tokenizer files; "
            "put its tokenizer.json (or vocab.txt, vocab.json with merges.txt) beside config.json"
        )
    if not tokenizer.is_fast:
        raise InputError(
            f"the tokenizer of the model in {folder} is of the slow kind ({type(tokenizer).__name__}); "
            "convert it once with transformers and save its tokenizer.json"
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rows = config.get("vocab_size")
    highest = max(tokenizer.get_vocab().values())
    if isinstance(rows, int) and highest >= rows:
        raise InputError(
            f"the tokenizer in {folder} has token ids up to {highest}, but the model knows only {rows} "
            "tokens (vocab_size in config.json); tokenizer and weights must come from the same model"
        )
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    if pad is None:
        raise InputError(
            f"the tokenizer in {folder} has neither a pad nor an end-of-sequence token; "
            "name one as pad_token in tokenizer_config.json"
        )
    special = len(tokenizer("", add_special_tokens=True)["input_ids"])
    limit = model_limit(config, tokenizer_limit=tokenizer.model_max_length, pad_token_id=int(pad))
    length = min(max_length, limit)
    if length <= special:
        raise InputError(
            f"tokenize.max_length: {length} tokens leave no room beside the {special} special tokens "
            f"of the model in {folder}; set it to {special + 1} or more"
        )
    return TextTokenizer(
        tokenizer=tokenizer,
        pad_token_id=int(pad),
        pad_is_eos=tokenizer.pad_token_id is None,
        max_length=length,
        # DistilBERT's tokenizer gives types that its model does not take; RoBERTa's model knows one type
        # only.
        token_types=config.get("type_vocab_size", 0) > 1 and "token_type_ids" in tokenizer.model_input_names,
    )


def model_limit(config: dict[str, Any], *, tokenizer_limit: int, pad_token_id: int) -> int:
    """Return how many tokens the model can read: at least 1, 10**9 where nothing limits it.

    Args:
        config: content of the model's `config.json`.
        tokenizer_limit: the tokenizer's `model_max_length`.
        pad_token_id: where positions are numbered after it, so many of them are lost.
    """
    limits = [NO_LIMIT]
    if 0 < tokenizer_limit < NO_LIMIT:
        limits.append(int(tokenizer_limit))
    for key in ("max_position_embeddings", "n_positions"):
        positions = config.get(key)
        # T5's `n_positions` is a relic: its positions are relative and unlimited.
        if not isinstance(positions, int) or positions <= 0 or config.get("model_type") in {"t5", "mt5"}:
            continue
        if config.get("model_type") in POSITIONS_AFTER_PAD:
            positions -= config.get("pad_token_id", pad_token_id) + 1
        limits.append(positions)
    return min(limits)
