"""Which files a local or packaged data source consists of, and which split each one holds."""

from collections.abc import Mapping
from pathlib import Path

from tritune.errors import InputError

KEY = "data.source"
SPLITS = ("train", "validation", "test")
ALIASES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
}
"""What a split's file may be called, without its ending."""

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
YAML_ENDINGS = (".yml", ".yaml")


def split_files(path: Path, *, source: str, hint: str = "") -> dict[str, Path]:
    """Return the file of each split that the source has; a single file is all training rows.

    Args:
        path: A file, or a folder with one file a split.
        source: As the user wrote it, for messages.
        hint: What it may be instead when nothing is there.

    Raises:
        InputError: Nothing is there, a name or an ending is unknown, two files claim one split, or no file
            is the training split.
    """
    if path.is_file():
        if path.suffix.lower() not in ENDINGS:
            raise InputError(f"{KEY}: {source!r}: {_unknown_ending(path)}")
        return {"train": path}
    if not path.is_dir():
        raise InputError(
            f"{KEY}: {source!r}: no such file or folder{hint}. Give a file (csv, tsv, jsonl, parquet), "
            "a folder with one file a split (both relative to params.yaml), hub:OWNER/NAME@REVISION, or "
            "package:NAME/FOLDER"
        )
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        split = ALIASES.get(file.name.split(".")[0].lower())
        ending = file.suffix.lower()
        if not file.is_file() or file.name.startswith(".") or (split is None and ending not in ENDINGS):
            continue  # a README, a licence
        if split is None or ALIASES.get(file.stem.lower()) is None:
            raise InputError(
                f"{KEY}: {source!r}: cannot tell which split {file.name} is; call the files train, "
                f"validation (or {', '.join(other_names('validation'))}) and "
                "test, or name one file instead of the folder"
            )
        if ending not in ENDINGS:
            raise InputError(f"{KEY}: {source!r}: {_unknown_ending(file)}")
        if split in found:
            raise InputError(
                f"{KEY}: {source!r}: {found[split].name} and {file.name} both claim to be the {split} split; "
                "move one of them away"
            )
        found[split] = file
    if "train" not in found:
        there = f"only {', '.join(file.name for file in found.values())}" if found else "no data file"
        raise InputError(
            f"{KEY}: {source!r}: {there} in this folder; it needs a file "
            f"{', '.join('train' + ending for ending in ENDINGS[:-1])} or train{ENDINGS[-1]}"
        )
    return {split: found[split] for split in SPLITS if split in found}


def conversation_files(path: Path) -> list[Path]:
    """Return the YAML files of a folder that has them and no data file: a corpus of conversations."""
    if not path.is_dir():
        return []
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if any(file.suffix.lower() in ENDINGS for file in files):
        return []
    return [file for file in files if file.suffix.lower() in YAML_ENDINGS]


def other_names(split: str) -> list[str]:
    """Return what else a split's file may be called."""
    return [name for name, meant in ALIASES.items() if meant == split and name != split]


def _unknown_ending(file: Path) -> str:
    advice = {
        ".json": "write one JSON object a line and call it .jsonl",
        ".ndjson": "rename it to .jsonl",
        ".gz": "unpack it",
        ".zip": "unpack it",
        ".xlsx": "save it as CSV UTF-8",
        ".xls": "save it as CSV UTF-8",
        ".txt": "save it with named columns, as .csv or .tsv",
    }.get(file.suffix.lower(), "convert it")
    return f"{file.name}: only {', '.join(ENDINGS)} are read; {advice}"
