"""A pretrained model found and checked, without torch: config, tokenizer and whole safetensors weights."""

import filecmp
import json
import shutil
import struct
from pathlib import Path
from typing import Any

from tritune.address import HUB, PACKAGE, hub_address, hub_problems, on_disk, remote_hint
from tritune.errors import InputError
from tritune.models.gguf import ENDING, check_gguf

KEY = "model.source"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "tf_model.h5", "flax_model.msgpack")
VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "bpe.codes",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
TOKENIZER = (
    *VOCABULARIES,
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)
HEADER_LIMIT = 100_000_000
"""Bytes; the safetensors format's own limit for a header."""


def locate_model(source: str, *, root: Path, key: str = KEY) -> Path:
    """Return the folder that holds the model, or its .gguf file, checked.

    A hub model is downloaded into the hub's cache first.

    Args:
        source: A folder or .gguf file relative to `root`, `package:NAME/PATH`, or `hub:OWNER/NAME@REVISION`.
        root: The project's folder.
        key: Key in params.yaml, for messages.

    Raises:
        InputError: Not found, no or broken config, no tokenizer, weights that are missing, incomplete or
            only pickled, or a model that wants to run code of its own.
    """
    if source.startswith(HUB):
        folder = _download(source, key=key)
    else:
        folder = on_disk(source, root=root, key=key)
        if folder.suffix == ENDING and folder.is_file():
            check_gguf(folder, source=source, key=key)
            return folder
        if not folder.is_dir():
            kind = "file" if folder.suffix == ENDING else "folder"
            file = "is a file; name the folder that holds it"
            what = file if folder.is_file() else f"no such {kind}{remote_hint(source)}"
            raise InputError(
                f"{key}: {source!r}: {what}. A model is a folder or a .gguf file (relative to params.yaml), "
                "hub:OWNER/NAME@REVISION, or package:NAME/PATH"
            )
    model_files(folder, where=f"{key}: {source}")
    return folder


def model_files(folder: Path, *, where: str) -> list[str]:
    """Return the names of the files that make up the model, sorted, after checking each.

    Args:
        where: What messages begin with, `model.source: my/bert`.

    Raises:
        InputError: See `locate_model`.
    """
    config = _json(folder, CONFIG, where)
    if "auto_map" in config:
        raise InputError(
            f"{where}: config.json has `auto_map`: this model runs code that comes with it, which is "
            "never done here; take a model whose architecture is part of transformers"
        )
    if not isinstance(config.get("model_type"), str):
        raise InputError(
            f"{where}: config.json names no `model_type`, so transformers cannot tell the "
            "architecture; take the config.json that the model was published with"
        )
    weights = _weight_files(folder, where)
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise InputError(
            f"{where}: no tokenizer: none of {', '.join(VOCABULARIES)}; save the tokenizer beside "
            "the model with `tokenizer.save_pretrained(FOLDER)`"
        )
    tokenizer = [name for name in TOKENIZER if (folder / name).is_file()]
    if "tokenizer_config.json" in tokenizer and "auto_map" in _json(folder, "tokenizer_config.json", where):
        raise InputError(
            f"{where}: tokenizer_config.json has `auto_map`: this tokenizer runs code that comes "
            "with it, which is never done here; take a model whose tokenizer is part of transformers"
        )
    return sorted([CONFIG, *tokenizer, *weights])


def copy_model(folder: Path, target: Path) -> None:
    """Copy the model's own files, and nothing else, byte for byte into `target`, which exists.

    Raises:
        InputError: See `locate_model`.
    """
    for name in model_files(folder, where=f"{KEY}: {folder}"):
        shutil.copyfile(folder / name, target / name)


def model_changed(source: str, base: Path, *, root: Path) -> bool:
    """Tell whether a local or packaged model differs from the copy of it in `base`.

    Compares bytes: about 0.2 s for 100 MB. False where there is nothing to compare: no copy yet, the
    source is gone (the copy is what counts from then on), or it is on the hub, at a commit.
    """
    if source.startswith(HUB) or not (base / CONFIG).is_file():
        return False
    try:
        folder = on_disk(source, root=root, key=KEY)
        if not folder.is_dir():
            return False
        names = model_files(folder, where=f"{KEY}: {source}")
    except InputError:
        # A package that is gone is no news; a folder that became unusable is: fetch will say why.
        return not source.startswith(PACKAGE)
    try:
        if names != model_files(base, where=f"{KEY}: {base}"):
            return True
    except InputError:
        return True  # the copy is damaged
    filecmp.clear_cache()  # it trusts modification times, which an editor or `cp -p` can leave unchanged
    return any(not filecmp.cmp(folder / name, base / name, shallow=False) for name in names)


def _download(source: str, *, key: str) -> Path:
    address = hub_address(source, key=key)
    from huggingface_hub import HfApi, snapshot_download

    wanted = [CONFIG, *TOKENIZER, WEIGHTS, INDEX, "model-*-of-*.safetensors"]
    with hub_problems(source, key=key):
        folder = Path(
            # `*/*`: files in subfolders are the model's copies in other formats.
            snapshot_download(
                address.repository, revision=address.revision, allow_patterns=wanted, ignore_patterns="*/*"
            )
        )
        if (folder / WEIGHTS).is_file() or (folder / INDEX).is_file():
            return folder
        names = HfApi().list_repo_files(address.repository, revision=address.revision)
    raise _no_weights([name for name in names if "/" not in name], f"{key}: {source}")


def _weight_files(folder: Path, where: str) -> list[str]:
    if (folder / WEIGHTS).is_file():  # transformers prefers it over an index, too
        _check_safetensors(folder, WEIGHTS, where)
        return [WEIGHTS]
    if not (folder / INDEX).is_file():
        raise _no_weights([path.name for path in folder.iterdir() if path.is_file()], where)
    weight_map = _json(folder, INDEX, where).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError(f"{where}: {INDEX} has no `weight_map`; download the model again")
    shards = sorted({str(name) for name in weight_map.values()})
    for shard in shards:
        if Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise InputError(
                f"{where}: {INDEX} names {shard!r}, which is not the name of a safetensors file in "
                "the same folder; download the model again"
            )
    missing = [shard for shard in shards if not (folder / shard).is_file()]
    if missing:
        raise InputError(
            f"{where}: {len(missing)} of {len(shards)} weight files that {INDEX} names are missing, "
            f"first {missing[0]}; download the model again"
        )
    stored = {(tensor, shard) for shard in shards for tensor in _check_safetensors(folder, shard, where)}
    for tensor, shard in weight_map.items():
        if (tensor, shard) not in stored:
            raise InputError(
                f"{where}: {INDEX} says that {shard} holds {tensor}, but it does not; the files are "
                "of different versions: download the model again"
            )
    return [INDEX, *shards]


def _no_weights(names: list[str], where: str) -> InputError:
    pickled = sorted(name for name in names if any(Path(name).match(pattern) for pattern in PICKLED))
    if pickled:
        return InputError(
            f"{where} has only pickled weights ({', '.join(pickled[:3])}), and unpickling can run "
            "any code; only safetensors are read. Look for a revision with model.safetensors, or, if you "
            "trust the file, convert it once: AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
        )
    other = sorted(name for name in names if name.endswith(".safetensors"))
    found = (
        f"{', '.join(other[:3])} is there, but transformers loads only that name" if other else "no weights"
    )
    return InputError(
        f"{where} has no {WEIGHTS} and no {INDEX}: {found}; name the folder that `save_pretrained` wrote"
    )


def _check_safetensors(folder: Path, name: str, where: str) -> list[str]:
    """Return the tensors' names in a weight file whose length is what its header says.

    Format: https://github.com/huggingface/safetensors#format
    """
    path = folder / name
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if start == b"version ":
            raise InputError(
                f"{where}: {name} is a Git LFS pointer, not the weights; run `git lfs pull` in that folder"
            )
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else HEADER_LIMIT + 1
        try:
            header = json.loads(file.read(length)) if length <= HEADER_LIMIT else None
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
            header = None
    try:
        tensors = {key: value for key, value in header.items() if key != "__metadata__"}  # type: ignore[union-attr]
        expected = 8 + length + max((value["data_offsets"][1] for value in tensors.values()), default=0)
    except (AttributeError, KeyError, IndexError, TypeError):
        raise InputError(
            f"{where}: {name} ({size:,} bytes) is not a safetensors file, or its start is damaged; "
            "download it again"
        ) from None
    if size != expected:
        how = "cut short" if size < expected else "too long"
        raise InputError(
            f"{where}: {name} is {how}: {size:,} bytes, its header says {expected:,}; download it again"
        )
    return list(tensors)


def _json(folder: Path, name: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{where}: no {name}; name the folder that `save_pretrained` wrote, with config.json, "
            "tokenizer files and model.safetensors"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where}: {name} is not valid JSON ({error}); download it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{where}: {name} must hold a JSON object; download it again")
    return content
