"""The assistant's next turn of new dialogues, by a fine-tuned model: all at once, or word by word."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tritune.chat.messages import Message, read_turns
from tritune.chat.template import Chat
from tritune.chat.windows import fitting_prompt
from tritune.errors import InputError
from tritune.generation import stream, write
from tritune.models.finetuned import load_finetuned
from tritune.tokenizing import NO_LIMIT, load_tokenizer

MAX_NEW_TOKENS = 256
"""Of a reply, at most: a model that never ends is stopped."""


class Answerer:
    """A loaded dialogue model with its tokenizer."""

    def __init__(self, folder: Path, *, device: torch.device) -> None:
        """Load both.

        Raises:
            InputError: The folder holds no fine-tuned model, or no usable tokenizer or chat template.
        """
        # The tokenizer's own limit is the length of a row in training.
        self._tokenizer = load_tokenizer(folder, max_length=NO_LIMIT)
        tuned = load_finetuned(folder)
        self._model = tuned.model
        self._model.to(device)
        self._chat = Chat(
            self._tokenizer.tokenizer, reads_first=tuned.objective.name == "sequence_to_sequence"
        )

    def answer(
        self, inputs: Sequence[Mapping[str, Any]], *, batch_size: int, ids: Sequence[str], everything: bool
    ) -> list[Mapping[str, Any]]:
        """Return the `reply` to each `messages`: a list of turns, or such a list as JSON, or a user's turn.

        On request also `mean_log_probability` of its tokens, in nats, `ended` (whether the model ended it
        itself), and how many of the oldest turns were left out for lack of room.

        Raises:
            InputError: The messages are not a dialogue that ends with a turn of the user.
        """
        dialogues = [given_turns(one["messages"], name) for one, name in zip(inputs, ids, strict=True)]
        prompts, shortened = [], []
        for messages, name in zip(dialogues, ids, strict=True):
            prompt, is_shorter = self._prompt(messages, name)
            prompts.append(prompt)
            shortened.append(is_shorter)
        replies = write(
            self._model,
            self._tokenizer.tokenizer,
            prompts,
            stop_ids=self._chat.stop_ids,
            pad_token_id=self._tokenizer.pad_token_id,
            max_new_tokens=MAX_NEW_TOKENS,
            batch_size=batch_size,
        )
        return [
            {
                "reply": reply.text.strip(),
                **(
                    {
                        "mean_log_probability": round(reply.mean_log_probability, 6),
                        "ended": reply.ended,
                        "history_shortened": is_shorter,
                    }
                    if everything
                    else {}
                ),
            }
            for reply, is_shorter in zip(replies, shortened, strict=True)
        ]

    def stream(self, messages: Sequence[Message], *, name: str) -> Iterator[str]:
        """Yield the reply to a dialogue that ends with a turn of the user, piece by piece.

        Args:
            name: What an error calls the dialogue.

        Raises:
            InputError: It can't be answered.
        """
        prompt, _ = self._prompt(messages, name)
        return stream(
            self._model,
            self._tokenizer.tokenizer,
            prompt,
            stop_ids=self._chat.stop_ids,
            pad_token_id=self._tokenizer.pad_token_id,
            max_new_tokens=MAX_NEW_TOKENS,
        )

    def _prompt(self, messages: Sequence[Message], name: str) -> tuple[list[int], bool]:
        self._chat.refuse_special(messages, name)
        limit = self._tokenizer.max_length
        if not self._chat.reads_first and limit < NO_LIMIT:
            limit -= min(MAX_NEW_TOKENS, limit // 2)
        counts: dict[str, int] = {}
        prompt = fitting_prompt(self._chat, messages, limit=limit, counts=counts, name=name)
        return prompt, bool(counts)


def given_turns(value: Any, name: str) -> list[Message]:
    """Return the turns that a user gave; a text that is no JSON list is one turn of the user's.

    Raises:
        InputError: They do not end with a turn of the user, or one of them is empty or not a turn.
    """
    if isinstance(value, str) and not _is_list(value):
        value = [{"role": "user", "content": value}]
    turns = read_turns(value, name)
    if turns.blank:
        raise InputError(f"{name}: a turn is only white space; fill it in or delete it")
    last = turns.messages[-1]["role"]
    if last != "user":
        raise InputError(f"{name}: the last turn is the {last}'s; a reply follows a turn of the user")
    return turns.messages


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False
