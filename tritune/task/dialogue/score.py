"""A dialogue model's loss on the assistant's tokens as scores, and replies of its own beside the real ones.

Replies are written for a sample of turns only, since each token of them costs a pass through the model: the
`generate.replies` turns of a split whose hash of dialogue and turn is lowest, so that the sample stays put
when dialogues are added or models change.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tritune.chat.template import Chat
from tritune.generation import Written, write
from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.metrics.generated import generated_metrics
from tritune.outputs import Outputs
from tritune.task.contract import Evaluation, EvaluationRun, Floor, Guess, Scorer, Split
from tritune.tokenizing import NO_LIMIT, load_tokenizer
from tritune.tokens import IGNORED, TokensInfo, TokenTable, read_column, read_tokens

PREDICTIONS = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("turn", pa.int32(), nullable=False),
        pa.field("before", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field(NEGATIVE_LOG_LIKELIHOOD, pa.float64(), nullable=False),
        pa.field("generated", pa.string()),
        pa.field("ended", pa.bool_()),
    ]
)
"""One row per turn of the assistant. before: the turn that it answers. tokens: of the reference, its end
among them. negative_log_likelihood: their mean, in nats. generated: where the turn is in the sample. ended:
whether the model ended its reply itself."""


def scorer(split: Split, info: TokensInfo) -> Scorer:  # noqa: ARG001
    """Return the function that scores a model's outputs on this split."""
    return lambda outputs: {"perplexity": perplexity(_mean(outputs))}


def guess(
    training: TokenTable,  # noqa: ARG001
    validation: TokenTable,  # noqa: ARG001
    info: TokensInfo,  # noqa: ARG001
    *,
    label_smoothing: float,  # noqa: ARG001
) -> Guess | None:
    """Return nothing: a pretrained model is better than any constant answer before it has learnt a thing."""
    return None


def perplexity(mean_loss: float) -> float:
    """Return e to the mean loss in nats: 1 or more, and finite whatever the loss."""
    return math.exp(min(mean_loss, 700.0))


def evaluate(run: EvaluationRun, splits: Sequence[Split]) -> Evaluation:
    """Score every turn of the assistant, and write replies of its own for a sample of them.

    The floor is what the base model has on the same tokens before any training.
    """
    tokenizer = load_tokenizer(run.folder, max_length=NO_LIMIT)
    chat = Chat(tokenizer.tokenizer, reads_first=run.info.objective == "sequence_to_sequence")
    scores: dict[str, Mapping[str, float]] = {}
    untouched: dict[str, Mapping[str, float]] = {}
    parts = []
    for split in splits:
        turns = turns_of(split, run.outputs(split), reads_first=chat.reads_first)
        sample = sampled(turns, most=run.generate.replies)
        replies = write(
            run.model,
            tokenizer.tokenizer,
            [turns[index].prompt for index in sample],
            stop_ids=chat.stop_ids,
            pad_token_id=run.info.pad_token_id,
            max_new_tokens=run.generate.max_new_tokens,
        )
        own = dict(zip(sample, replies, strict=True))
        gold = {row["id"]: row["messages"] for row in pq.read_table(split.gold).to_pylist()}
        parts.append(prediction_table(split.name, turns, own, gold))
        references = [gold[turns[index].id][turns[index].turn]["content"] for index in sample]
        scores[split.name] = {
            **_likelihood(run.mean_loss(split)),
            **generated_metrics([one.text for one in replies], references),
        }
        untouched[split.name] = _likelihood(run.untouched_loss(split))
    return Evaluation(
        scores=scores,
        predictions=pa.concat_tables(parts),
        floor=Floor(name="untouched model", scores=untouched),
    )


@dataclass
class Turn:
    """One turn of the assistant."""

    id: str
    """Of its dialogue."""

    turn: int
    """Which turn of it, from 0."""

    prompt: list[int]
    """What the model reads before it, as in the token table."""

    loss: float = 0.0
    """Sum over its tokens, in nats."""

    tokens: int = 0


def turns_of(split: Split, outputs: Outputs, *, reads_first: bool) -> list[Turn]:
    """Return the turns of a split in the order of its token table; parts of a long one are put together."""
    table = read_tokens(split.tokens)
    numbers = iter(read_column(split.tokens, "turns").tolist())
    ids = table.row_ids.to_pylist()
    found: dict[tuple[str, int], Turn] = {}
    for row in range(table.rows):
        tokens = table.row(row).tolist()
        starts = [len(tokens)] if reads_first else _starts(table.row_labels(row))
        for start, (loss, count) in zip(starts, outputs.row(row).tolist(), strict=True):
            number = next(numbers)
            turn = found.setdefault((ids[row], number), Turn(ids[row], number, tokens[:start]))
            turn.loss += loss
            turn.tokens += int(count)
    return list(found.values())


def sampled(turns: Sequence[Turn], *, most: int) -> list[int]:
    """Return which turns replies are written for, in their order."""
    order = sorted(range(len(turns)), key=lambda index: _hash(turns[index]))
    return sorted(order[:most])


def prediction_table(
    split: str, turns: Sequence[Turn], own: Mapping[int, Written], gold: Mapping[str, list[dict[str, Any]]]
) -> pa.Table:
    """Return one row per turn of the assistant."""
    rows = []
    for index, turn in enumerate(turns):
        messages, written = gold[turn.id], own.get(index)
        rows.append(
            {
                "split": split,
                "id": turn.id,
                "turn": turn.turn,
                "before": messages[turn.turn - 1]["content"] if turn.turn else "",
                "reference": messages[turn.turn]["content"],
                "tokens": turn.tokens,
                NEGATIVE_LOG_LIKELIHOOD: turn.loss / max(turn.tokens, 1),
                "generated": None if written is None else written.text,
                "ended": None if written is None else written.ended,
            }
        )
    return pa.Table.from_pylist(rows, schema=PREDICTIONS)


def _likelihood(mean_loss: float) -> dict[str, float]:
    return {"perplexity": perplexity(mean_loss), NEGATIVE_LOG_LIKELIHOOD: mean_loss}


def _mean(outputs: Outputs) -> float:
    loss, terms = outputs.values.astype(np.float64).sum(axis=0)
    return float(loss / max(terms, 1))


def _starts(labels: np.ndarray) -> list[int]:
    """Return where each run of labelled tokens begins; a row's first token is never one."""
    labelled = labels != IGNORED
    labelled[0] = False
    begins: list[int] = (np.flatnonzero(labelled[1:] & ~labelled[:-1]) + 1).tolist()
    return begins


def _hash(turn: Turn) -> bytes:
    return hashlib.sha256(f"{turn.id}/{turn.turn}".encode()).digest()
