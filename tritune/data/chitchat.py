"""Conversations of chitchat-dataset as dialogues: who begins is the user, who answers the assistant.

Format: https://pypi.org/project/chitchat-dataset/, an object of conversations by their ids, each with a list
`messages` of lists of utterances that one person sent in a row, each with `sender` and `text`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tritune.errors import InputError

KEY = "data.source"


def chitchat_rows(file: Path) -> Iterator[dict[str, list[dict[str, str]]]]:
    """Yield {"messages": turns} for each conversation that was answered.

    Utterances of one person in a row become one turn, a line each.

    Raises:
        InputError: Not JSON of this form.
    """
    try:
        conversations = list(json.loads(file.read_text(encoding="utf-8")).values())
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{KEY}: {file.name}: not a JSON object of conversations ({error})") from None
    for number, conversation in enumerate(conversations, start=1):
        turns: list[tuple[Any, str]] = []
        try:
            for utterance in (one for part in conversation["messages"] for one in part):
                sender, text = utterance["sender"], utterance["text"].strip()
                if turns and turns[-1][0] == sender and text:
                    turns[-1] = (sender, f"{turns[-1][1]}\n{text}")
                elif text:
                    turns.append((sender, text))
        except (KeyError, TypeError, AttributeError):
            raise InputError(
                f"{KEY}: {file.name}, conversation {number}: no list `messages` of lists of utterances with "
                "`sender` and `text`; write your dialogues as jsonl or parquet with a column `messages`"
            ) from None
        if len({sender for sender, _ in turns}) == 2:
            first = turns[0][0]
            yield {
                "messages": [
                    {"role": "user" if sender == first else "assistant", "content": text}
                    for sender, text in turns
                ]
            }
