"""Where `data.source` and `model.source` point: the project, an installed package, or the hub."""

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tritune.errors import InputError

HUB = "hub:"
PACKAGE = "package:"
COMMIT = re.compile(r"[0-9a-f]{40}")
WRITTEN = (
    "data/raw",
    "data/ingested",
    "data/tokens",
    "base",
    "plans",
    "sweeps",
    "checkpoints",
    "histories",
    "evaluations",
    "metrics",
    "results",
    "models/selected",
)
"""Folders of the project that the pipeline writes. DVC empties an output before its stage runs, so a source
that lies there would be deleted before it is read."""

LOCAL_ENDINGS = {".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt", ".xlsx", ".gguf"}
"""What nobody calls a repository of the hub."""

HUB_PAGE = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(?:datasets/|(?!datasets/))([^/?#]+/[^/?#]+)"
)
NAME_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class HubAddress:
    """A repository of the hub at one commit, which never changes."""

    repository: str
    """OWNER/NAME."""

    config: str | None
    """Which of a data set's configurations; None for its only one, and for models."""

    revision: str
    """Commit hash, 40 hex digits."""


def on_disk(source: str, *, root: Path, key: str) -> Path:
    """Return the path that a local or `package:` source names; it may not exist.

    Args:
        source: Path relative to `root` (or absolute), or `package:NAME/PATH`.
        root: The project's folder.
        key: Key in params.yaml, for the message.

    Raises:
        InputError: The package is not installed, the path leaves it, or the path is the pipeline's own.
    """
    if source.startswith(PACKAGE):
        return package_path(source, key=key)
    try:
        path = root / Path(source).expanduser()
        path.resolve()
        path.exists()
    except (OSError, ValueError, RuntimeError) as error:
        # Too long a name, a NUL character, `~` of a user who is not there.
        reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        raise InputError(f"{key}: {source!r:.80} cannot be a path ({reason}); correct it") from None
    for folder in WRITTEN:
        own = (root / folder).resolve()
        if path.resolve().is_relative_to(own):
            raise InputError(
                f"{key}: {source!r} lies in {folder}, which the pipeline itself empties and writes; copy it "
                f"to another folder, for example my_{key.partition('.')[0]}, and name that"
            )
    return path


def remote_hint(source: str) -> str:
    """Return a remark for a source that is not on disk but looks like a web address or a name of the hub.

    Starts with a separator; empty for anything else.
    """
    page = HUB_PAGE.match(source)
    name = page[1] if page else source
    if not page and "://" in source:
        return "; web addresses are not read: download it, and name the file or folder"
    parts = name.split("/")
    if len(parts) > 2 or not all(map(NAME_PART.fullmatch, parts)) or Path(name).suffix in LOCAL_ENDINGS:
        return ""
    shown = name if len(parts) == 2 else f"OWNER/{name}"
    return f"; if you mean the hub's, write hub:{shown}@REVISION, with the hash of a commit as the revision"


def package_path(source: str, *, key: str) -> Path:
    """Return the path of `package:NAME/PATH`, without importing the package (it may import heavy things).

    Raises:
        InputError: As written it is no such address, the package is not installed or is a single module,
            nothing is at the path, or the path leaves the package.
    """
    name, _, inside = source.removeprefix(PACKAGE).partition("/")
    if not name.isidentifier():
        hint = f"; did you mean {PACKAGE}{name.replace('-', '_')}/{inside}?" if "-" in name else ""
        raise InputError(
            f"{key}: {source!r} must be written package:NAME/PATH, NAME as in Python's `import NAME`{hint}"
        )
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise InputError(
            f"{key}: no installed package has the import name {name!r}; install it into this environment "
            f"or change {key} in params.yaml"
        )
    folders = [Path(folder).resolve() for folder in found.submodule_search_locations or []]
    if not folders:
        raise InputError(
            f"{key}: {name} is a single module and has no files inside; name a package with a folder"
        )
    for folder in folders:
        path = (folder / inside).resolve()
        if not path.is_relative_to(folder):
            raise InputError(
                f"{key}: {source!r} leaves the package's folder; name a path inside it, without `..`"
            )
        if path.exists():
            return path
    inventory = ", ".join(
        sorted(p.name for p in folders[0].iterdir() if p.is_dir() and p.name[0] not in "._")
    )
    raise InputError(
        f"{key}: the package {name} has no {inside!r}; folders directly inside it: {inventory or 'none'}"
    )


def hub_address(source: str, *, key: str, with_config: bool = False) -> HubAddress:
    """Return the parts of `hub:OWNER/NAME@REVISION`, or `hub:OWNER/NAME/CONFIG@REVISION`.

    Raises:
        InputError: A part is missing or malformed, or the revision is not a commit hash.
    """
    shape = "hub:OWNER/NAME@REVISION" + (" or hub:OWNER/NAME/CONFIG@REVISION" if with_config else "")
    address, _, revision = source.removeprefix(HUB).partition("@")
    parts = address.split("/")
    if len(parts) not in ({2, 3} if with_config else {2}) or not all(map(NAME_PART.fullmatch, parts)):
        example = "stanfordnlp/imdb" if with_config else "google-bert/bert-base-uncased"
        raise InputError(f"{key}: {source!r} must be written {shape}, for example hub:{example}@COMMIT")
    repository = "/".join(parts[:2])
    if not COMMIT.fullmatch(revision):
        given = f"{revision!r} is not" if revision else "it has no revision, and needs"
        page = f"https://huggingface.co/{'datasets/' if with_config else ''}{repository}/commits/main"
        raise InputError(
            f"{key}: {source!r}: {given} a commit hash of 40 hex digits. Branches and tags can move, and the "
            f"same settings would then give another result. Copy the hash of the newest commit from {page}"
        )
    return HubAddress(repository, parts[2] if len(parts) == 3 else None, revision)


@contextmanager
def hub_problems(source: str, *, key: str) -> Iterator[None]:
    """Turn what the hub's client raises inside the block into the user's own error.

    Raises:
        InputError: No such repository or revision, no access, no network, or an HTTP error.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The client's HTTP library was renamed between its versions; its base class is found from here.
    http_error = HfHubHTTPError.__bases__[0]
    address = hub_address(source, key=key, with_config=key == "data.source")
    try:
        yield
    except GatedRepoError:
        raise InputError(
            f"{key}: {address.repository} is gated: accept its terms on its page at the hub, then log in "
            "with `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise InputError(
            f"{key}: the hub has no repository {address.repository}, or it is private; check the spelling, "
            "or log in with `hf auth login`"
        ) from None
    except RevisionNotFoundError:
        raise InputError(
            f"{key}: {address.repository} has no revision {address.revision}; copy the hash of a commit from "
            "the repository's page, Files, History"
        ) from None
    except (LocalEntryNotFoundError, ConnectionError):
        raise InputError(
            f"{key}: the hub cannot be reached, and {address.repository} is not in the local cache; connect, "
            "or download it elsewhere and name the folder"
        ) from None
    except (HfHubHTTPError, http_error) as error:
        detail = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{key}: the hub failed to deliver {address.repository}: {detail[0]}; try again later"
        ) from None
