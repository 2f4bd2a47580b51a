"""Which files a local or packaged data source consists of, and which split each one holds."""

import re
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
CONLL_ENDINGS = (".conll", ".bio", ".txt")
"""A word and its tag a line, see `tritune.data.conll`; a .txt only where its lines look like that."""

SQUAD_ENDING = ".json"
"""Read where a file has SQuAD's nested form; see `is_squad_file`."""

RAW_ENDINGS = (*ENDINGS, *CONLL_ENDINGS, SQUAD_ENDING)
"""What a file in `data/raw` may end with."""

YAML_ENDINGS = (".yml", ".yaml")
TAGGED_LINE = re.compile(r"\S.*[ \t](O|[BIES](-\S+)?)\s*")
LINES_TRIED = 20
VERSION = re.compile(r"[-_]v\d+(\.\d+)*$")
"""SQuAD's own files are called `train-v2.0.json`."""

BEGINNING = 1 << 20
"""Bytes in which a file in SQuAD's form says so."""


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
        if not _is_read(path):
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
        name = _called(file)
        split = ALIASES.get(name.split(".")[0])
        known = file.suffix.lower() in (*ENDINGS, ".conll", ".bio")
        if not file.is_file() or file.name.startswith(".") or (split is None and not known):
            continue  # a README, a licence
        if split is None or name not in ALIASES:
            raise InputError(
                f"{KEY}: {source!r}: cannot tell which split {file.name} is; call the files train, "
                f"validation (or {', '.join(other_names('validation'))}) and "
                "test, or name one file instead of the folder"
            )
        if not _is_read(file):
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
    """Return the files of a corpus of conversations; none where the path is something else.

    That is the YAML files of a folder that has them and no data file, or a JSON file as chitchat-dataset's.
    """
    if path.is_file() and path.suffix.lower() == ".json":
        with path.open("rb") as opened:
            begin = opened.read(4096)
        return [path] if begin.lstrip().startswith(b"{") and b'"messages"' in begin else []
    if not path.is_dir():
        return []
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if any(file.suffix.lower() in RAW_ENDINGS and _is_read(file) for file in files):
        return []
    return [file for file in files if file.suffix.lower() in YAML_ENDINGS]


def other_names(split: str) -> list[str]:
    """Return what else a split's file may be called."""
    return [name for name, meant in ALIASES.items() if meant == split and name != split]


def is_squad_file(file: Path) -> bool:
    """Tell whether a .json file seems to be in SQuAD's form: an object with articles made of paragraphs."""
    with file.open("rb") as opened:
        beginning = opened.read(BEGINNING)
    return beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b'"paragraphs"' in beginning


def _is_read(file: Path) -> bool:
    ending = file.suffix.lower()
    if ending == ".txt":
        return _has_tagged_lines(file)
    return is_squad_file(file) if ending == SQUAD_ENDING else ending in RAW_ENDINGS


def _has_tagged_lines(file: Path) -> bool:
    """Tell whether the lines at a text file's beginning are a word and, last, its tag."""
    with file.open(encoding="utf-8", errors="replace") as opened:
        lines = [line for line, _ in zip(opened, range(LINES_TRIED), strict=False)]
    tried = [line for line in lines if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    return bool(tried) and all(map(TAGGED_LINE.fullmatch, tried))


def _called(file: Path) -> str:
    """Return a file's name without its ending, and without the version in the names of SQuAD's files."""
    name = file.stem.lower()
    return VERSION.sub("", name) if file.suffix.lower() == SQUAD_ENDING else name


def _unknown_ending(file: Path) -> str:
    advice = {
        ".json": "write one JSON object a line and call it .jsonl (a .json file must have SQuAD's form)",
        ".ndjson": "rename it to .jsonl",
        ".gz": "unpack it",
        ".zip": "unpack it",
        ".xlsx": "save it as CSV UTF-8",
        ".xls": "save it as CSV UTF-8",
        ".txt": "save it with named columns, as .csv or .tsv (a .txt may hold a word and its tag a line)",
        ".iob": "rename it to .conll",
        ".iob2": "rename it to .conll",
    }.get(file.suffix.lower(), "convert it")
    return f"{file.name}: only {', '.join(ENDINGS)} are read; {advice}"
