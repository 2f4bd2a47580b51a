"""dvc.lock read and changed as DVC would do it, to the byte, in a fraction of its time.

It has thousands of lines, DVC parses all of them several times in each of its processes, each stage that ends
changes it, and others wait meanwhile. Here a process parses an entry once, only entries that are new are
written anew, and the file is written whole or not at all.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

HEAD = "schema: '2.0'\nstages:\n"

ENTRIES_KNOWN = 4096
"""As many parsed entries a process keeps, each some kilobytes; a lock with more would be parsed each time."""


def quicken_reading() -> None:
    """Have DVC, in this process, parse dvc.lock by `parsed_lock`; all other files as ever."""
    from dvc.utils import strictyaml

    strictyaml.parse_yaml = _parse


def _parse(text: str, path: str, typ: str = "safe") -> Any:
    from dvc.utils.serialize import parse_yaml

    if typ == "safe" and Path(path).name == "dvc.lock":
        return parsed_lock(text, path)
    return parse_yaml(text, path, typ=typ)


def know_entries(path: Path) -> None:
    """Parse the entries of a dvc.lock that are new, for processes that are forked from this one.

    What can't be read is left to them, who tell it.
    """
    with contextlib.suppress(Exception):
        for entry in _entries(path.read_text(encoding="utf-8")).values():
            _parsed_entry(entry)


def parsed_lock(text: str, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a dvc.lock says, as DVC's `parse_yaml` does, fresh objects each time.

    Args:
        text: Its content.
        path: Where it was read; for the error.

    Raises:
        dvc.utils.serialize.YAMLFileCorruptedError: It is no YAML.
    """
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

    known = _entries(text)
    stages: dict[str, Any] = {}
    with contextlib.suppress(YAMLFileCorruptedError):  # told by the parser that sees the whole file
        for entry in known.values():
            stages |= deepcopy(_parsed_entry(entry))
    # Not so where a name is written in another way than usual, or twice, or stands for no stage.
    if stages and list(stages) == list(known) and HEAD + "".join(known.values()) == text:
        return {"schema": "2.0", "stages": stages}
    parsed: dict[str, Any] = parse_yaml(text, str(path))
    return parsed


@lru_cache(maxsize=ENTRIES_KNOWN)
def _parsed_entry(entry: str) -> dict[str, Any]:
    """Return {name: entry}, or nothing where there is more than an entry."""
    from dvc.utils.serialize import parse_yaml

    parsed = parse_yaml(HEAD + entry, "dvc.lock")
    alone = list(parsed) == ["schema", "stages"] and isinstance(parsed["stages"], dict)
    return dict(parsed["stages"]) if alone else {}


@contextlib.contextmanager
def changed_lock(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Give what dvc.lock says, to be changed, and write it when the block has ended well.

    Args:
        path: of the file, in a DVC repository whose lock is held. It need not exist.

    In `stages`, whole entries may be added, removed, replaced or put in another order.
    An entry that stays is written as it was.

    Raises:
        dvc.exceptions.DvcException: It is no YAML.
    """
    from dvc.utils.serialize import modify_yaml

    file = Path(path)
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if file.is_symlink() or not _is_plain(text):
        with modify_yaml(str(file)) as content:
            yield content
        return
    content = parsed_lock(text, file)
    before = dict(content.get("stages", {}))
    yield content
    changed = _text(content, before, text)
    if changed == text:
        return
    # In place, a kill or a full disk would cut it short.
    project = next(folder for folder in file.resolve().parents if (folder / ".dvc").is_dir())
    aside = project / ".dvc/tmp/dvc.lock.unfinished"
    aside.parent.mkdir(exist_ok=True)
    aside.write_text(changed, encoding="utf-8")
    if text:
        shutil.copymode(file, aside)
    aside.replace(file)


def _is_plain(text: str) -> bool:
    """Tell whether the lines of an entry mean the same wherever they stand: no anchor, comment, document."""
    return not any(sign in text for sign in ("&", "*", "#", "\n...", "\n---")) and text[-1:] in ("", "\n")


def _text(content: Mapping[str, Any], before: Mapping[str, Any], text: str) -> str:
    """Return the content as DVC writes it, with the text of all entries that are the same as before."""
    from dvc.utils.serialize import dumps_yaml

    known = _entries(text)
    if list(known) != list(before) or list(content) != ["schema", "stages"] or not content["stages"]:
        return str(dumps_yaml(content))
    entries = [
        known[name]
        if name in known and entry is before[name]
        else dumps_yaml({"stages": {name: entry}}).partition("\n")[2]
        for name, entry in content["stages"].items()
    ]
    # What an entry has twice DVC numbers over the whole file.
    return HEAD + "".join(entries) if all(map(_is_plain, entries)) else str(dumps_yaml(content))


def _entries(text: str) -> dict[str, str]:
    """Return the lines of each stage by its name; nothing where the file does not look as DVC writes it."""
    if not text.startswith(HEAD) or not _is_plain(text):
        return {}
    entries = re.split(r"(?m)^(?=  \S)", text.removeprefix(HEAD))
    return {entry.partition(":\n")[0].strip(): entry for entry in entries if entry}
