"""Is what DVC's cache holds what it says? Its objects are named by their hashes, so all can be checked."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritune.pipeline.dag import stages_of
from tritune.pipeline.opening import open_repository
from tritune.pipeline.registered_version import contents_of
from tritune.pipeline.registry import artifact_name
from tritune.pipeline.registry_tags import read_tags


@dataclass(frozen=True)
class CachedObject:
    """One file of the cache."""

    path: Path
    size: int
    """In bytes."""

    oid: str
    """The hash that its content should have."""

    @property
    def sound(self) -> bool:
        """Whether it has. Reads the whole file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest() == self.oid.removesuffix(".dir")


def cached_objects(root: Path) -> list[CachedObject]:
    """Return every object of DVC's cache."""
    with open_repository(root) as repo:
        cache = repo.cache.local
        paths = {oid: Path(cache.oid_to_path(oid)) for oid in cache.all()}
    return [CachedObject(path, path.stat().st_size, oid) for oid, path in sorted(paths.items())]


def damaged_outputs(root: Path, stage: str, *, pipeline: str = "dvc.yaml") -> list[str]:
    """Return which outputs of a stage hold other bytes than dvc.lock says; what is damaged in the cache goes.

    DVC takes what it restored for what was kept: it trusts objects that are read-only, and notes the hash of
    a copy without reading it.
    """
    found = []
    with open_repository(root) as repo, repo.lock:
        cache = repo.cache.local
        (loaded,) = (one for one in stages_of(repo, pipeline) if one.name == stage)
        for out in loaded.outs:
            for key, oid in _members(cache, out):
                path = Path(out.fs_path, *key)
                if path.is_file() and CachedObject(path, path.stat().st_size, oid).sound:
                    continue
                found.append(out.def_path)
                kept = Path(cache.oid_to_path(oid))
                if kept.is_file() and not CachedObject(kept, kept.stat().st_size, oid).sound:
                    kept.unlink()
    return sorted(set(found))


def users_of(root: Path, oid: str) -> list[str]:
    """Return the paths of the work tree's outputs that need an object; none: only another commit may."""
    found = []
    with open_repository(root) as repo, repo.lock:
        for out in repo.index.outs:
            if not out.use_cache or not out.hash_info:
                continue
            if out.hash_info.value == oid:
                found.append(out.def_path)
            elif out.hash_info.isdir and repo.cache.local.exists(out.hash_info.value):
                members = _members(repo.cache.local, out)
                found += ["/".join((out.def_path, *key)) for key, value in members if value == oid]
    return found


def _members(cache: Any, out: Any) -> list[tuple[tuple[str, ...], str]]:
    """Return of each file of an output its place in it, none for an output that is a file, and its hash."""
    from dvc_data.hashfile.tree import Tree

    if not out.hash_info.isdir:
        return [((), out.hash_info.value)]
    return [(key, file.value) for key, _, file in Tree.load(cache, out.hash_info)]


def versions_not_here(root: Path) -> Iterator[str]:
    """Yield the registered versions whose model DVC's cache lacks."""
    tags = read_tags(root, artifact_name(root))
    with open_repository(root) as repo:
        for event, content in zip(tags.registered, contents_of(root, tags.registered), strict=True):
            if content and not Path(repo.cache.local.oid_to_path(content)).is_file():
                yield event.version


def remote_of(root: Path) -> tuple[str, bool]:
    """Return the name of the remote that is set, or nothing, and whether it can be reached."""
    with open_repository(root) as repo:
        name = repo.config["core"].get("remote") or ""
        if not name:
            return "", False
        try:
            remote = repo.cloud.get_remote(name)
            # A remote to which nothing was pushed yet may lack its folder; the place above it is there.
            places = (remote.path, remote.fs.parent(remote.path))
            return name, any(remote.fs.exists(place) for place in places)
        except Exception:  # whatever the remote's own library throws
            return name, False
