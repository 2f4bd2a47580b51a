"""A full disk: seen in errors of any library, told in one sentence, and looked for before it does harm."""

import errno
import os
import shutil
from pathlib import Path

from tritune.errors import InputError

RESERVE = 8_000_000
"""Bytes that have to be left for what is written beside results: dvc.lock, DVC's and Prefect's databases."""

_SYSTEMS_WORDS = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


def full_disk(error: BaseException) -> bool:
    """Tell whether a full disk, or a used up quota, is the reason of an error or a reason behind it."""
    cause: BaseException | None = error
    while cause is not None:
        number = cause.errno if isinstance(cause, OSError) else None
        # Libraries written in Rust or C++ wrap the system's error in one of their own.
        if number in {errno.ENOSPC, errno.EDQUOT} or tells_of_full_disk(str(cause)):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def tells_of_full_disk(text: str) -> bool:
    """Tell whether what a program printed has the system's words for a full disk in it."""
    return any(words in text for words in _SYSTEMS_WORDS)


def no_space(root: Path) -> str:
    """Return the sentence for the user of the project in `root`."""
    return (
        f"no space left on the disk that holds {root}; free some (`tritune prune` shows what nothing needs), "
        "then run again: nothing half-written was left behind"
    )


def check_room(root: Path, *, cache: Path | None = None, bytes_to_keep: int = 0) -> None:
    """Find out whether results would fit before anything is put in place.

    DVC itself goes on when a file does not fit into its cache, writes dvc.lock all the same, and ends as if
    all were well; and it writes dvc.lock in place, which a full disk cuts short.

    Args:
        root: The project.
        cache: DVC's cache; None: nothing has to go there.
        bytes_to_keep: What is to go there.

    Raises:
        InputError: A disk has too little room.
    """
    if shutil.disk_usage(root).free < RESERVE:
        raise InputError(no_space(root))
    if cache is None:
        return
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if shutil.disk_usage(there).free < bytes_to_keep + RESERVE:
        raise InputError(no_space(there))


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())
