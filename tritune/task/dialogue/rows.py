"""Dialogues, checked and split: the part of the stage `ingest` that knows of turns."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from tritune.chat.messages import Message, read_turns
from tritune.data.clean import among, repeated
from tritune.data.facts import Rows, facts_of
from tritune.data.files import SPLITS
from tritune.data.profile import EXAMPLES, quantiles
from tritune.data.records import read_records
from tritune.data.rows import RawFile, place, text_key
from tritune.data.split import cut
from tritune.errors import InputError
from tritune.settings.data import DataSettings
from tritune.task.contract import Ingested

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema([("id", pa.string()), ("messages", MESSAGES)])

WHY = {
    "no_assistant": "the assistant has no turn, so there is nothing to learn",
    "blank_turn": "a turn is only white space",
    "repeated": "the same dialogue came before",
    "also_in_validation": "the dialogue is in the validation split",
    "also_in_test": "the dialogue is in the test split",
    "assistant_begins": "the assistant has the first turn",
    "joined_turns": "turns of one role followed each other; they became one turn, joined by a line break",
    "trimmed_turns": "a turn had white space at its ends, which was cut off",
}
"""Dialogues are the same when they differ only in letter case, white space or Unicode composition."""


class Dialogue(NamedTuple):
    """A dialogue of a raw file."""

    file: RawFile
    number: int
    """Data row in the file, from 1."""

    line: int | None
    messages: list[Message]
    key: bytes
    """`text_key` of all its turns."""

    joined: bool
    trimmed: bool
    blank: bool

    @property
    def id(self) -> str:
        """Unique over all splits, and the same whatever happens to other rows: `train.jsonl:17`."""
        return f"{self.file.raw}:{self.number}"

    @property
    def text(self) -> str:
        return "\n".join(f"{turn['role']}: {turn['content']}" for turn in self.messages)

    @property
    def label(self) -> str:
        """The same for all: dialogues have none."""
        return ""

    @property
    def answered(self) -> bool:
        return any(turn["role"] == "assistant" for turn in self.messages)


Findings = dict[str, dict[str, list[Dialogue]]]
"""Split -> reason -> dialogues."""


def ingest(
    files: Mapping[str, tuple[Path, RawFile]],
    settings: DataSettings,
    *,
    spool: Path,  # noqa: ARG001
) -> Ingested:
    """Return the dialogues of each split and the profile.

    From train are dropped: dialogues without a turn of the assistant or with a blank turn, those that a given
    validation or test split holds, and repeated ones. From validation and test nothing is.

    Args:
        files: Of each split that the source has: the file, and its names for messages.

    Raises:
        InputError: Something in the data can't be repaired, with file, row and turn; or a split is empty.
    """
    given = {
        split: _read(path, file, settings.messages, training=split == "train")
        for split, (path, file) in files.items()
    }
    dropped: Findings = {split: {} for split in SPLITS}
    train, dropped["train"]["no_assistant"] = _part(given["train"], lambda one: one.answered)
    train, dropped["train"]["blank_turn"] = _part(train, lambda one: not one.blank)
    rows = facts_of(train, files["train"][1])
    for split in ("test", "validation"):
        others = facts_of(given[split], files[split][1]) if split in given else None
        rows, found = among(rows, others)
        dropped["train"][f"also_in_{split}"] = _pick(train, found)
    missing = [split for split in ("validation", "test") if split not in given]
    parts = cut(
        rows,
        test_fraction=settings.test_fraction if "test" in missing else 0.0,
        validation_fraction=settings.validation_fraction if "validation" in missing else 0.0,
    )
    splits = {split: _pick(train, parts[split]) if split in missing else given[split] for split in SPLITS}
    kept, found = repeated(parts["train"])
    splits["train"], dropped["train"]["repeated"] = _pick(train, kept), _pick(train, found)
    _refuse_empty(splits, given, missing, settings)
    return Ingested(
        tables={split: _table(rows) for split, rows in splits.items()},
        labels=[],
        profile={
            "task": "dialogue",
            "labels": [],
            "rows_given": {split: len(given[split]) for split in SPLITS if split in given},
            "splits_cut_from_train": missing,
            "splits": {split: _numbers(rows) for split, rows in splits.items()},
            "dropped": _findings(dropped),
            "noticed_and_kept": _findings(_noticed(splits)),
        },
    )


def _read(path: Path, file: RawFile, column: str, *, training: bool) -> list[Dialogue]:
    found = []
    for number, line, (value,) in read_records(path, file, [(column, "data.messages")]):
        where = place(file, number, line, column)
        turns = read_turns(value, where)
        text = "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns.messages)
        one = Dialogue(
            file,
            number,
            line,
            turns.messages,
            text_key(text),
            turns.joined > 0,
            turns.trimmed > 0,
            turns.blank > 0,
        )
        if not training and (one.blank or not one.answered):
            why = "has a turn of white space only" if one.blank else "has no turn of the assistant"
            raise InputError(
                f"{where}: the dialogue {why}, and rows for validation and test are never dropped; mend or "
                "delete it"
            )
        found.append(one)
    return found


def _refuse_empty(
    splits: Mapping[str, Sequence[Dialogue]],
    given: Mapping[str, Sequence[Dialogue]],
    missing: Sequence[str],
    settings: DataSettings,
) -> None:
    for split in missing:
        if not splits[split]:
            raise InputError(
                f"data.{split}_fraction: {getattr(settings, split + '_fraction')} of {len(given['train'])} "
                f"dialogues left the {split} split without one; add dialogues, raise it, or give a file "
                f"{split}.jsonl"
            )
    if not splits["train"]:
        raise InputError(
            f"{given['train'][0].file.original}: no dialogue is left to train on: {len(given['train'])} were "
            "given, and all of them have no turn of the assistant, a blank turn, or are in another split"
        )


def _noticed(splits: Mapping[str, Sequence[Dialogue]]) -> Findings:
    found: Findings = {}
    for split, rows in splits.items():
        found[split] = {
            "assistant_begins": [one for one in rows if _first_role(one) == "assistant"],
            "joined_turns": [one for one in rows if one.joined],
            "trimmed_turns": [one for one in rows if one.trimmed],
        }
    facts = {split: facts_of(splits[split], splits[split][0].file) for split in ("validation", "test")}
    for split, these in facts.items():
        found[split]["repeated"] = _pick(splits[split], repeated(these)[1])
    leaked = among(facts["validation"], facts["test"])[1]
    found["validation"]["also_in_test"] = _pick(splits["validation"], leaked)
    return found


def _pick(dialogues: Sequence[Dialogue], rows: Rows) -> list[Dialogue]:
    """Return the dialogues that some of their facts are of."""
    return [dialogues[position] for position in rows.positions.tolist()]


def _first_role(one: Dialogue) -> str:
    return next((turn["role"] for turn in one.messages if turn["role"] != "system"), "system")


def _numbers(rows: Sequence[Dialogue]) -> dict[str, Any]:
    roles = [turn["role"] for one in rows for turn in one.messages]
    return {
        "rows": len(rows),
        "distinct_texts": len({one.key for one in rows}),
        "turns": len(roles),
        "assistant_turns": roles.count("assistant"),
        "characters": quantiles([sum(len(turn["content"]) for turn in one.messages) for one in rows]),
    }


def _findings(findings: Findings) -> dict[str, Any]:
    return {
        split: {
            reason: {"why": WHY[reason], "rows": len(rows), "examples": [one.id for one in rows[:EXAMPLES]]}
            for reason, rows in reasons.items()
            if rows
        }
        for split, reasons in findings.items()
    }


def _table(rows: Sequence[Dialogue]) -> pa.Table:
    ids, messages = [one.id for one in rows], [one.messages for one in rows]
    return pa.table([pa.array(ids, pa.string()), pa.array(messages, MESSAGES)], schema=SCHEMA)


def _part(
    rows: Sequence[Dialogue], keep: Callable[[Dialogue], bool]
) -> tuple[list[Dialogue], list[Dialogue]]:
    return [one for one in rows if keep(one)], [one for one in rows if not keep(one)]
