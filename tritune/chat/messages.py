"""A dialogue as it was given, checked: turns of a system, a user and an assistant, in an order."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tritune.errors import InputError

ROLES = ("system", "user", "assistant")
ALIASES: Mapping[str, str] = {"human": "user", "gpt": "assistant"}
"""What ShareGPT calls them; there a turn has `from` and `value`."""

FORM = '[{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]'

Message = dict[str, str]
"""`role`, one of `ROLES`, and `content`."""


class Turns(NamedTuple):
    """A dialogue whose neighbouring turns are of different roles, and what was done to it for that."""

    messages: list[Message]
    """Without white space at the ends of a turn; the system's turn, if there is one, is the first."""

    joined: int
    """Turns that were joined to the one before, which was of the same role, by a line break."""

    trimmed: int
    """Turns that lost white space at their ends."""

    blank: int
    """Turns of white space only, which are still there, empty."""


def read_turns(value: Any, where: str) -> Turns:
    """Return a dialogue from a list of turns, or from such a list as JSON text.

    Args:
        where: What an error calls it.

    Raises:
        InputError: It is no such list, a role is unknown, a content is not text, or the system's turn is not
            the first.
    """
    messages: list[Message] = []
    joined = trimmed = blank = 0
    for number, turn in enumerate(_list(value, where), start=1):
        role, content = _role_and_content(turn, f"{where}, turn {number}")
        if content != content.strip():
            content = content.strip()
            trimmed += 1
        if not content:
            blank += 1
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n{content}"
            joined += 1
        elif role == "system" and messages:
            raise InputError(
                f"{where}, turn {number}: a turn of the system after other turns; chat templates take one "
                "at the start only: move it there, or delete it"
            )
        else:
            messages.append({"role": role, "content": content})
    if not messages:
        raise InputError(f"{where}: the dialogue has no turn; fill it in or delete it")
    return Turns(messages, joined, trimmed, blank)


def _list(value: Any, where: str) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InputError(
                f"{where}: the messages are the text {value!r:.60}, which is not JSON; they must be a list "
                f"such as {FORM}"
            ) from None
    if not isinstance(value, list):
        what = "missing" if value is None else f"{value!r:.60}, of type {type(value).__name__}"
        raise InputError(f"{where}: the messages are {what}; they must be a list such as {FORM}")
    return value


def _role_and_content(turn: Any, where: str) -> tuple[str, str]:
    names = (
        ("from", "value")
        if isinstance(turn, dict) and {"from", "value"} <= set(turn)
        else ("role", "content")
    )
    if not isinstance(turn, dict) or not set(names) <= set(turn):
        raise InputError(f"{where}: {turn!r:.80} has no `role` and `content`; write the turns as {FORM}")
    role, content = (turn[name] for name in names)
    known = ALIASES.get(role, role) if isinstance(role, str) else role
    if known not in ROLES:
        raise InputError(
            f"{where}: the role is {role!r:.60}; it must be one of {', '.join(ROLES)}: rename it, or delete "
            "the turn"
        )
    if not isinstance(content, str):
        what = "missing" if content is None else f"{content!r:.60}, of type {type(content).__name__}"
        raise InputError(f"{where}: the content is {what}; only text is read")
    return known, content
