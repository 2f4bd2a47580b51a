"""A training's scratch kept at a place that all machines see, so that it goes on where another one died.

The place is an address of fsspec's in TRITUNE_CHECKPOINTS, such as /mnt/checkpoints or s3://bucket/checkpoints.
Files go there beside the training, which does not wait. A checkpoint that arrived in part is no harm: whoever
reads one checks every byte of it.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.pipeline.passwords import without_passwords

VARIABLE = "TRITUNE_CHECKPOINTS"
SECONDS_BETWEEN_LOOKS = 5.0

NOT_SHARED = ("outputs", "unfinished-")
"""Beginnings of names, at any depth, of what is not worth passing on: it is not whole."""


@contextlib.contextmanager
def shared(scratch: Path, *, stage: str, key: str) -> Iterator[None]:
    """Keep a copy of a training's scratch at the shared place inside the block, where one is set.

    What lies there is brought here first where the scratch is empty. Once the block ends well, it is removed.

    Args:
        key: The stage's identity: only a run with the same one may go on from its scratch.

    Raises:
        InputError: The address is of a kind that is not installed, or cannot be reached.
    """
    address = os.environ.get(VARIABLE)
    if not address:
        yield
        return
    place = Place(f"{address.rstrip('/')}/{stage}/{key}", named=address)
    if not any(scratch.iterdir()):
        place.fetch(scratch)
    ended = threading.Event()
    thread = threading.Thread(target=_keep_copied, args=(scratch, place, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # At most until the file is there that is on its way: the rest of a copy is given up.
        thread.join()
    place.remove()


class Place:
    """A folder at an address of fsspec's."""

    def __init__(self, address: str, *, named: str) -> None:
        """Args:
        named: The address as the user gave it, for what goes wrong.

        Raises:
            InputError: The address is of a kind that is not installed, or cannot be reached.
        """
        import fsspec

        self._named = without_passwords(named)
        try:
            self._files, self._folder = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"{VARIABLE}: {self._named!r} cannot be used ({error}); give a folder or an address whose "
                "package is installed, or unset it"
            ) from None
        except Exception as error:  # some connect at once
            raise self._unreachable(error) from None
        self._copied: dict[str, tuple[int, int]] = {}

    def fetch(self, scratch: Path) -> None:
        """Bring what lies there into a folder.

        Raises:
            InputError: It cannot be reached.
        """
        aside = scratch.with_name(f"{scratch.name}.arriving")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            for path in self._files.find(self._folder):
                target = aside / str(path)[len(str(self._folder)) :].lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                self._files.get_file(path, str(target))
        except FileNotFoundError:
            pass  # another one ended there meanwhile, or nothing was ever there
        except Exception as error:  # whatever the place's own library throws
            raise self._unreachable(error) from None
        if aside.is_dir():
            shutil.copytree(aside, scratch, dirs_exist_ok=True)
            shutil.rmtree(aside)

    def copy(self, scratch: Path, *, ended: threading.Event | None = None) -> None:
        """Bring the place to what the folder holds: new files first, then those that are gone are removed.

        Args:
            ended: Once it is set, no further file is begun.

        Raises:
            OSError: A file went away meanwhile, or the place cannot be reached; the next try mends it.
        """
        now = {}
        for path in sorted(scratch.rglob("*")):
            name = path.relative_to(scratch)
            if path.is_file() and not any(part.startswith(NOT_SHARED) for part in name.parts):
                told = path.stat()
                now[name.as_posix()] = (told.st_size, told.st_mtime_ns)
        for relative, state in now.items():
            if ended is not None and ended.is_set():
                return
            if self._copied.get(relative) != state:
                target = f"{self._folder}/{relative}"
                self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._files.put_file(str(scratch / relative), target)
                self._copied[relative] = state
        for gone in set(self._copied) - set(now):
            with contextlib.suppress(FileNotFoundError):
                self._files.rm_file(f"{self._folder}/{gone}")
            del self._copied[gone]

    def _unreachable(self, error: Exception) -> InputError:
        return InputError(
            f"{VARIABLE}: {self._named!r} cannot be reached ({type(error).__name__}); check address and "
            "passwords, or unset it"
        )

    def remove(self) -> None:
        """Take away what lies there; that it cannot be is no reason to fail."""
        with contextlib.suppress(Exception):
            self._files.rm(self._folder, recursive=True)


def _keep_copied(scratch: Path, place: Any, ended: threading.Event) -> None:
    while not ended.wait(SECONDS_BETWEEN_LOOKS):
        with contextlib.suppress(Exception):  # a training does not end for a copy of its checkpoint
            place.copy(scratch, ended=ended)
