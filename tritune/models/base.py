"""The folder `base`: a copy of the model that the settings name, or what is made of it; did that change?

A folder of a model is copied. A GGUF file is converted, and two encoders are paired; `base/source.json` then
says what of, by name and content.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritune.address import HUB, PACKAGE, hub_address, on_disk
from tritune.errors import InputError
from tritune.models.gguf import ENDING, convert_gguf
from tritune.models.pair import check_pair, write_pair
from tritune.models.source import copy_model, locate_model, model_changed, model_files
from tritune.settings.model import ModelSettings

RECORD = "source.json"
SOURCE, DECODER = "model.source", "model.decoder"


@dataclass(frozen=True)
class Located:
    """Where the model is, checked."""

    source: str
    path: Path
    """A folder or a .gguf file."""

    decoder: str | None = None
    decoder_path: Path | None = None


def locate_base(settings: ModelSettings, *, root: Path) -> Located:
    """Return where the model is; what is on the hub is downloaded into the hub's cache first.

    Raises:
        InputError: See `locate_model`, or the settings name two models that can't be paired.
    """
    path = locate_model(settings.source, root=root, key=SOURCE)
    if settings.decoder is None:
        return Located(settings.source, path)
    decoder = locate_model(settings.decoder, root=root, key=DECODER)
    for key, source, found in ((SOURCE, settings.source, path), (DECODER, settings.decoder, decoder)):
        if not found.is_dir():
            raise InputError(
                f"{key}: {source}: a GGUF file can't be one half of a pair; name two folders with "
                "encoders such as BERT or RoBERTa, or leave model.decoder out"
            )
    check_pair(path, decoder, sources=(settings.source, settings.decoder))
    return Located(settings.source, path, settings.decoder, decoder)


def is_made(settings: ModelSettings) -> bool:
    """Tell whether the stage `fetch` has to convert or pair what is named, rather than copy it."""
    return settings.decoder is not None or settings.source.endswith(ENDING)


def check_base(settings: ModelSettings, *, root: Path) -> None:
    """Find what is wrong before anything runs; what is on the hub, the stage `fetch` finds out.

    Raises:
        InputError: As `locate_base`.
    """
    named = {SOURCE: settings.source, DECODER: settings.decoder}
    if not any(source and source.startswith(HUB) for source in named.values()):
        locate_base(settings, root=root)
        return
    for key, source in named.items():
        if source and source.startswith(HUB):
            hub_address(source, key=key)
        elif source:
            locate_model(source, root=root, key=key)


def write_base(found: Located, target: Path) -> None:
    """Write the model into `target`, which exists: the same bytes for the same source.

    Raises:
        InputError: The source can't be converted or paired, or changed since it was located.
    """
    if found.decoder is not None and found.decoder_path is not None:
        write_pair(found.path, found.decoder_path, target, sources=(found.source, found.decoder))
    elif found.path.suffix == ENDING:
        convert_gguf(found.path, target, source=found.source, key=SOURCE)
    else:
        copy_model(found.path, target)
        return
    text = json.dumps(_record(found), indent=2, sort_keys=True, ensure_ascii=False)
    (target / RECORD).write_text(text + "\n", encoding="utf-8")


def is_made_of(base: Path, found: Located) -> bool:
    """Tell whether a converted or paired `base` is there and was made of just these files."""
    recorded = _recorded(base)
    return recorded is not None and recorded == _record(found)


def base_changed(settings: ModelSettings, base: Path, *, root: Path) -> bool:
    """Tell whether a local or packaged model differs from what `base` was made of.

    Compares content: about a second a gigabyte. False where there is nothing to compare: nothing was fetched
    yet, a source is gone (what was fetched is what counts from then on), or it is on the hub, at a commit.
    """
    if not is_made(settings):
        return model_changed(settings.source, base, root=root)
    named = [(SOURCE, settings.source), *([(DECODER, settings.decoder)] if settings.decoder else [])]
    if not (base / RECORD).is_file():
        return False  # DVC brings `base` back or makes it anew; then ask again
    if any(source.startswith(HUB) for _, source in named):
        return False
    try:
        if not all(on_disk(source, root=root, key=key).exists() for key, source in named):
            return False
        return not is_made_of(base, locate_base(settings, root=root))
    except InputError:
        # A package that is gone is no news; a model that became unusable is: fetch will say why.
        return not all(source.startswith(PACKAGE) for _, source in named)


def _recorded(base: Path) -> Any:
    try:
        return json.loads((base / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _record(found: Located) -> dict[str, Any]:
    """Return what `base/source.json` holds: name, size and hash of each file, no path and no date."""
    record = {SOURCE: _contents(found.path)}
    if found.decoder_path is not None:
        record[DECODER] = _contents(found.decoder_path)
    return record


def _contents(path: Path) -> dict[str, Any]:
    files = [path] if path.is_file() else [path / name for name in model_files(path, where=str(path))]
    contents = {}
    for file in files:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        contents[file.name] = {"bytes": file.stat().st_size, "sha256": digest}
    return contents
