"""`tritune explain`: which words moved a model's answer, and how far that can be trusted."""

import io
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.predict import check_target, named_columns, opened
from tritune.errors import InputError
from tritune.given import Given, file_rows, stream_rows
from tritune.models.classes import purpose
from tritune.task.contract import task_module

if TYPE_CHECKING:
    from tritune.explanation.explain import Explanation

SHOWN_WORDS = 10
BAR_WIDTH = 16


def explain(
    *,
    text: str | None,
    model: Path,
    source: Path | None,
    target: Path | None,
    columns: Mapping[str, str],
    attention: bool,
) -> None:
    """Explain what the model answers to each input, in a terminal or as one JSON object a line.

    Args:
        text: One input; None: `source`, or stdin.
        model: Folder of a fine-tuned model.
        source: As `tritune predict` reads it.
        target: A .jsonl, which appears when it is complete, or not at all; None: for a person, on stdout.
        columns: Where the source calls an input of the model otherwise.
        attention: Whether to add the rollout of an encoder's attention.

    Raises:
        InputError: Something the user gave is wrong; nothing has been written then, except to stdout.
    """
    check_target(target, source)
    if target is not None and target.suffix.lower() != ".jsonl":
        raise InputError(f"--output: {target.name}: explanations are written as .jsonl; rename it")
    if text is not None and source is not None:
        raise InputError("TEXT and --input: two sources are given; leave one out")
    fitted = purpose(model)
    rows = iter(_rows(text, source, named_columns(fitted, columns)))
    first = next(rows, None)
    if first is None:
        raise InputError(f"{source.name if source else 'stdin'}: nothing to explain; give one row or more")

    # Loading these takes seconds; the input has been tried by now.
    import torch
    from transformers.utils import logging

    from tritune.explanation.asked import Explainer
    from tritune.explanation.explain import absent_token, refuse_without_rollout
    from tritune.explanation.explain import explain as explained
    from tritune.explanation.told import as_values

    logging.disable_progress_bar()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    explainer: Explainer = task_module(fitted.task, "explain").Explainer(model, device=device)
    absent = absent_token(explainer.tokenizer)
    if attention:
        refuse_without_rollout(explainer.model)
    console = Console(highlight=False)
    with opened(target) as file:
        for given in itertools.chain([first], rows):
            name = f"row {given.id}" if text is None else "TEXT"
            try:
                found = [
                    explained(explainer.model, asked, absent=absent, attention=attention)
                    for asked in explainer.asked(given.values, name)
                ]
            except InputError as error:
                raise InputError(f"{name}: {str(error).removeprefix(f'{name}: ')}") from None
            if target is None:
                show(given, found, console)
            else:
                row = {"id": given.id, **given.values, "explanations": list(map(as_values, found))}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def show(given: Given, found: Sequence["Explanation"], console: Console) -> None:
    """Print the explanations of one input."""
    from tritune.explanation.rollout import WARNING
    from tritune.explanation.told import evidence

    console.print(Text(f"{given.id}", style="bold"))
    if not found:
        console.print("The model finds nothing here, so there is nothing to explain.")
    for one in found:
        said = "  ".join(f"{name}: {value}" for name, value in one.asked.said.items())
        console.print(Text(said, style="bold"))
        for part in dict.fromkeys(word.part for word in one.asked.words):
            console.print(_coloured(part, given.values.get(part), one))
        console.print(_table(one))
        for sentence in evidence(one):
            console.print(Text(sentence))
        if one.attention is not None:
            console.print(Text(WARNING, style="yellow"))
        console.print()


def _coloured(part: str, whole: Any, found: "Explanation") -> Text:
    """Return a part with each word in green where it speaks for the answer, in red where against it."""
    pairs = [
        (word, value) for word, value in zip(found.asked.words, found.words, strict=True) if word.part == part
    ]
    strongest = max(map(abs, found.words), default=0.0) or 1.0
    told, at = Text(f"{part}: ", style="dim"), pairs[0][0].start
    for word, value in pairs:
        gap = whole[at : word.start] if isinstance(whole, str) else " "
        told.append(gap if len(gap) < BAR_WIDTH else " … ", style="not dim")
        share = abs(value) / strongest
        style = (
            "not dim"
            if share < 0.1
            else f"not dim {'bold ' * (share > 0.5)}{'green' if value > 0 else 'red'}"
        )
        told.append(word.text, style=style)
        at = word.end
    return told


def _table(found: "Explanation") -> Table:
    """Return the words that matter most, with their places and numbers."""
    order = sorted(range(len(found.words)), key=lambda number: -abs(found.words[number]))[:SHOWN_WORDS]
    strongest = max(map(abs, found.words), default=0.0) or 1.0
    table = Table(box=None, pad_edge=False)
    table.add_column("word")
    table.add_column("characters", justify="right")
    table.add_column(found.asked.score_name, justify="right")
    table.add_column("")
    if found.attention is not None:
        table.add_column("attention", justify="right")
    for number in order:
        word, value = found.asked.words[number], found.words[number]
        bar = "█" * max(1, round(BAR_WIDTH * abs(value) / strongest))
        cells: list[Text | str] = [
            Text(word.text),
            f"{word.part} {word.start}-{word.end}",
            f"{value:+.3f}",
            Text(bar, style="green" if value > 0 else "red"),
        ]
        if found.attention is not None:
            cells.append(f"{found.attention[number]:.3f}")
        table.add_row(*cells)
    if len(found.words) > SHOWN_WORDS:
        table.caption = f"{len(found.words) - SHOWN_WORDS} weaker words are not listed"
    return table


def _rows(text: str | None, source: Path | None, columns: Mapping[str, str]) -> Iterable[Given]:
    if text is None:
        return (
            file_rows(source, columns=columns)
            if source is not None
            else stream_rows(sys.stdin.buffer, columns=columns)
        )
    return _typed(text, columns)


def _typed(text: str, columns: Mapping[str, str]) -> Iterator[Given]:
    """Yield what was typed after the command: one text, or a JSON object where the model reads several."""
    if not text.strip():
        raise InputError("TEXT is empty; give the text to explain, or a file by --input")
    if len(columns) == 1:
        (name,) = columns
        yield Given("TEXT", {name: text})
        return
    if not text.lstrip().startswith("{"):
        raise InputError(
            f"TEXT: this model reads {' and '.join(columns)}; give them as a JSON object, or a csv with "
            "these columns by --input"
        )
    line = io.BytesIO(" ".join(text.splitlines()).encode())
    yield from (given._replace(id="TEXT") for given in stream_rows(line, columns=columns))
