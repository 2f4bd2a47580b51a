"""`tritune chat`: a conversation with a dialogue model, word by word in a terminal, or with a pipe."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tritune.errors import InputError
from tritune.models.classes import purpose

Reply = Callable[[Sequence[dict[str, str]]], Iterator[str]]
"""From the turns so far to the pieces of the next one."""

ANEW = "/new"


def chat(*, model: Path, system: str | None) -> None:
    """Answer each line that is typed or piped in, with all turns before it in mind, until the input ends.

    Args:
        model: Folder of a fine-tuned dialogue model.
        system: The system's turn, before all others; none, or the template's own, if None.

    Raises:
        InputError: The model is for something else, or a turn can't be answered.
    """
    fitted = purpose(model)
    if fitted.task != "dialogue":
        raise InputError(
            f"{model}: this model is for {fitted.task}; ask it with `tritune predict --model {model}`"
        )
    # Loading these takes seconds.
    import torch
    from transformers.utils import logging

    from tritune.task.dialogue.answer import Answerer

    logging.disable_progress_bar()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    answerer = Answerer(model, device=device)
    typed = sys.stdin.isatty()
    if typed:
        print(f"{model}. {ANEW} begins anew, Ctrl-C stops a reply, Ctrl-D ends.")
    converse(
        lambda turns: answerer.stream(turns, name="the conversation"),
        sys.stdin,
        sys.stdout,
        system=system,
        typed=typed,
    )


def converse(reply: Reply, source: TextIO, target: TextIO, *, system: str | None, typed: bool) -> None:
    """Read a turn of the user a line, and write the reply to each; empty lines are passed over.

    Args:
        typed: Whether a person sits there: then a prompt is shown, and a turn that can't be answered is told
            and taken back rather than ending the conversation.
    """
    beginning = [{"role": "system", "content": system}] if system else []
    turns = list(beginning)
    while True:
        if typed:
            target.write("> ")
            target.flush()
        line = source.readline()
        if not line:
            break
        text = line.strip()
        if text == ANEW:
            turns = list(beginning)
        elif text:
            turns.append({"role": "user", "content": text})
            try:
                turns.append({"role": "assistant", "content": _written(reply(turns), target, typed=typed)})
            except InputError as error:
                if not typed:
                    raise
                target.write(f"{error}\n")
                turns.pop()
    if typed:
        target.write("\n")


def _written(pieces: Iterator[str], target: TextIO, *, typed: bool) -> str:
    """Write the pieces as they come, and return the whole of them."""
    told = ""
    try:
        for piece in pieces:
            piece = piece if told else piece.lstrip()
            told += piece
            target.write(piece)
            target.flush()
    except KeyboardInterrupt:
        if not typed:
            raise
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    target.write("\n")
    target.flush()
    return told.strip()
