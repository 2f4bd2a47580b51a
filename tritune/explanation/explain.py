"""Which words moved an answer, by how much, and whether taking them out proves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tritune.errors import InputError
from tritune.explanation.asked import Asked
from tritune.explanation.deletion import Deletion, deletion
from tritune.explanation.integrated_gradients import Attribution, attribute
from tritune.explanation.replaced_embeddings import embeddings_of, run_with
from tritune.explanation.rollout import rollout
from tritune.families import family_of
from tritune.objectives.selected_logits import places_at_once

ROWS_AT_ONCE = 16
"""Of one text with other words, fewer where the model gives as many numbers for a place as it has tokens."""

NO_WORDS = "the model reads no word of this, so that there is nothing to explain; give it words"


@dataclass(frozen=True)
class Explanation:
    """Of one thing that a model said."""

    asked: Asked
    attribution: Attribution
    words: Sequence[float]
    """What each word accounts for, in the unit of the score; their sum is that of all tokens."""

    deletion: Deletion
    attention: Sequence[float] | None
    """Of each word, in [0, 1]: what rollout gives it at the places that the answer is read from."""


def explain(model: Any, asked: Asked, *, absent: int, attention: bool) -> Explanation:
    """Explain one answer.

    Args:
        model: In evaluation mode.
        absent: Token whose vector stands for a word that says nothing; see `absent_token`.
        attention: Whether to add the rollout of the model's attention.

    Raises:
        InputError: The answer has no words, or attention is asked of a model that has no rollout.
    """
    if attention:
        refuse_without_rollout(model)
    if not asked.words:
        raise InputError(NO_WORDS)
    ids = asked.inputs["input_ids"]
    rows_at_once = _rows_at_once(model, asked)
    vectors = embeddings_of(model, ids)
    nothing = embeddings_of(model, torch.full_like(ids[:, :1], absent))

    def without(taken: Sequence[frozenset[int]]) -> torch.Tensor:
        gone = torch.zeros(len(taken), ids.shape[1], 1, dtype=torch.bool, device=ids.device)
        for row, words in enumerate(taken):
            gone[row, [place for word in words for place in asked.words[word].tokens]] = True
        return torch.where(gone, nothing, vectors)

    def probability(taken: Sequence[frozenset[int]]) -> list[float]:
        found: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(taken), rows_at_once):
                rows = without(taken[start : start + rows_at_once])
                found += asked.probability(run_with(model, asked.inputs, rows)).tolist()
        return found

    attribution = attribute(
        model,
        asked,
        vectors,
        without([frozenset(range(len(asked.words)))]),
        rows_at_once=rows_at_once,
    )
    words = [float(attribution.tokens[list(word.tokens)].sum()) for word in asked.words]
    return Explanation(
        asked=asked,
        attribution=attribution,
        words=words,
        deletion=deletion(probability, words),
        attention=_attention(model, asked) if attention else None,
    )


def absent_token(tokenizer: Any) -> int:
    """Return the token whose vector stands for a word that says nothing: mask, else padding, else unknown.

    Raises:
        InputError: The tokenizer has none of them, and no end of a text either.
    """
    for name in ("mask_token_id", "pad_token_id", "unk_token_id", "eos_token_id"):
        token: int | None = getattr(tokenizer, name, None)
        if token is not None:
            return token
    raise InputError(
        "the model's tokenizer has no mask, pad, unknown or end-of-sequence token to stand for a word that "
        "is taken out; name one as pad_token in its tokenizer_config.json"
    )


def refuse_without_rollout(model: Any) -> None:
    """Refuse a model that is no encoder: rollout needs every place to see every other.

    Raises:
        InputError: The model is none.
    """
    if family_of(model.config) != "encoder":
        raise InputError(
            f"--attention: rollout is for encoders, and this model is a {type(model).__name__}; leave the "
            "option out"
        )


def _rows_at_once(model: Any, asked: Asked) -> int:
    most = places_at_once(model)
    if most is None:
        return ROWS_AT_ONCE
    places: int = asked.inputs.get("decoder_input_ids", asked.inputs["input_ids"]).shape[1]
    return max(1, min(ROWS_AT_ONCE, most // places))


def _attention(model: Any, asked: Asked) -> list[float]:
    usual = model.config._attn_implementation
    model.set_attn_implementation("eager")  # the fast kernels keep no attention
    try:
        with torch.inference_mode():
            attentions = model(**asked.inputs, output_attentions=True).attentions
    finally:
        model.set_attn_implementation(usual)
    mixed = rollout([layer[0] for layer in attentions])[list(asked.answered_at)].mean(dim=0)
    return [float(mixed[list(word.tokens)].sum()) for word in asked.words]
