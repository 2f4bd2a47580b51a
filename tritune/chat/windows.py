"""Long dialogues as rows that fit: every token of the assistant's is in the loss of exactly one row.

A row of a decoder holds neighbouring turns, after the system's turn if there is one; older turns are left
out. A later row begins with as much of the history as half of the places take, so that no turn is answered
from nothing. A single question that is too long loses its beginning, and a reply that is too long is cut into
parts; both are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tritune.chat.messages import Message
from tritune.chat.template import Chat, assistant_turns
from tritune.errors import InputError

Counts = dict[str, int]

HISTORIES_SHORTENED = "turns_without_their_whole_history"
QUESTIONS_CUT = "questions_without_their_beginning"
REPLIES_IN_PARTS = "replies_in_parts"
REPLIES_CUT = "replies_without_their_end"
TOKENS_LOST = "tokens_of_replies_lost"


@dataclass(frozen=True)
class DialogueRow:
    """Tokens for a decoder, and which of them it learns to write."""

    ids: list[int]
    spans: list[tuple[int, int]]
    """Of each learnt turn: its first token, and the first one after it."""

    turns: list[int]
    """Which turn of the dialogue each span is of, from 0."""


def dialogue_rows(
    chat: Chat, messages: Sequence[Message], *, limit: int, counts: Counts, name: str
) -> list[DialogueRow]:
    """Return the rows of one dialogue, in its order; one row where it fits.

    Args:
        messages: with a turn of the assistant.
        limit: tokens of a row at most.
        counts: what happened is added here by name.

    Raises:
        InputError: The template can't be masked exactly, or the system's turn leaves no room for others.
    """
    whole = chat.whole(messages, name)
    turns = assistant_turns(messages)
    if len(whole.ids) <= limit:
        return [DialogueRow(whole.ids, whole.spans, turns)]
    rows: list[DialogueRow] = []
    system = 1 if messages[0]["role"] == "system" else 0
    waiting = turns
    while waiting:
        first = waiting[0]
        start = _start(chat, messages, first, system=system, limit=limit, name=name)
        kept = [*messages[:system], *messages[start:]]
        gone = start - system
        fitting = _fitting(chat, kept, [turn - gone for turn in waiting], limit=limit, name=name)
        if not fitting:
            rows += _squeezed(chat, kept[: first - gone + 1], first, limit=limit, counts=counts, name=name)
            fitting = [first - gone]
        else:
            part = chat.whole(kept[: fitting[-1] + 1], name)
            rows.append(DialogueRow(part.ids, part.spans[-len(fitting) :], [turn + gone for turn in fitting]))
        if gone:
            _count(counts, HISTORIES_SHORTENED, len(fitting))
        waiting = waiting[len(fitting) :]
    return rows


def fitting_prompt(
    chat: Chat, messages: Sequence[Message], *, limit: int, counts: Counts, name: str
) -> list[int]:
    """Return the tokens after which the assistant writes its turn, without the oldest turns if need be.

    Raises:
        InputError: The template refuses the turns, or the system's turn leaves no room for others.
    """
    system = 1 if messages and messages[0]["role"] == "system" else 0
    for start in _beginnings(messages, system, len(messages)):
        prompt = chat.prompt([*messages[:system], *messages[start:]], name)
        if len(prompt) <= limit:
            _count(counts, HISTORIES_SHORTENED, int(start > system))
            return prompt
    _count(counts, HISTORIES_SHORTENED, int(start > system))
    cut = _cut_question(chat, [*messages[:system], *messages[start:]], wanted=limit, limit=limit, name=name)
    _count(counts, QUESTIONS_CUT, 1)
    return chat.prompt(cut, name)


def _start(chat: Chat, messages: Sequence[Message], first: int, *, system: int, limit: int, name: str) -> int:
    """Return where the row begins that the turn `first` is the first to be learnt of."""
    beginnings = _beginnings(messages, system, first)
    for start in beginnings:
        room = limit if start == system and first == assistant_turns(messages)[0] else limit // 2
        if len(_prompt(chat, [*messages[:system], *messages[start:first]], messages[first], name)) <= room:
            return start
    return beginnings[-1]


def _beginnings(messages: Sequence[Message], system: int, end: int) -> list[int]:
    """Return where a row may begin: at the dialogue's own start, or with a turn of the user."""
    return [system, *(i for i in range(system + 1, end) if messages[i]["role"] == "user")]


def _fitting(
    chat: Chat, kept: Sequence[Message], turns: Sequence[int], *, limit: int, name: str
) -> list[int]:
    """Return as many of the turns, from the first on, as fit into one row that begins with `kept`."""
    low, high = 0, len(turns)  # by halves: a longer part of a dialogue never has fewer tokens
    while low < high:
        middle = (low + high + 1) // 2
        if len(chat.whole(kept[: turns[middle - 1] + 1], name).ids) <= limit:
            low = middle
        else:
            high = middle - 1
    return list(turns[:low])


def _squeezed(
    chat: Chat, kept: Sequence[Message], turn: int, *, limit: int, counts: Counts, name: str
) -> list[DialogueRow]:
    """Return the rows of one reply that does not fit together with the turn before it."""
    ids, spans = chat.whole(kept, name)
    reply = spans[-1][1] - spans[-1][0]
    room = limit - min(reply, limit // 2)
    if spans[-1][0] > room:
        kept = [*_cut_question(chat, kept[:-1], wanted=room, limit=limit - 1, name=name), kept[-1]]
        _count(counts, QUESTIONS_CUT, 1)
        ids, spans = chat.whole(kept, name)
    start, end = spans[-1]
    rows = [DialogueRow(ids[:limit], [(start, min(end, limit))], [turn])]
    if end > limit:
        _count(counts, REPLIES_IN_PARTS, 1)
    done, before = limit, limit // 2
    while done < end:
        part = ids[done - before : done - before + limit]
        rows.append(DialogueRow(part, [(before, len(part))], [turn]))
        done += limit - before
    return rows


def _cut_question(
    chat: Chat, messages: Sequence[Message], *, wanted: int, limit: int, name: str
) -> list[Message]:
    """Return the turns with the last one's beginning cut off, as little of it as gives `wanted` tokens.

    Where even its last character is too long for that, up to `limit` tokens will do.
    """
    if not messages or messages[-1]["role"] != "user":
        raise _no_room(limit, name)
    content = messages[-1]["content"]

    def cut(characters: int) -> list[Message]:
        return [*messages[:-1], {"role": "user", "content": content[characters:].lstrip()}]

    low, high = min(1, len(content) - 1), len(content) - 1  # at least a character stays
    while low < high:
        middle = (low + high) // 2
        if len(chat.prompt(cut(middle), name)) <= wanted:
            high = middle
        else:
            low = middle + 1
    if len(chat.prompt(cut(low), name)) > limit:
        raise _no_room(limit, name)
    return cut(low)


def _no_room(limit: int, name: str) -> InputError:
    return InputError(
        f"{name}: what stands before a reply takes more than {limit} tokens even without its beginning; "
        "raise tokenize.max_length, or shorten the turn of the system"
    )


def _prompt(chat: Chat, before: Sequence[Message], reply: Message, name: str) -> list[int]:
    """Return the tokens before a reply."""
    ids, spans = chat.whole([*before, reply], name)
    return ids[: spans[-1][0]]


def _count(counts: Counts, name: str, number: int) -> None:
    if number:
        counts[name] = counts.get(name, 0) + number
