"""A commit that holds what made the present results, while branch, index and work tree stay as they are.

HEAD's tree with the present content of whatever DVC does not keep: the pipeline's own files, parameters,
metrics, the code, and every other file that a stage depends on. Written through an index of its own.
"""

import json
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.pipeline.dag import read_stages
from tritune.pipeline.git import common_folder, git, head_commit, identity
from tritune.pipeline.lock_file import parsed_lock
from tritune.pipeline.opening import open_repository
from tritune.pipeline.outputs import PROVENANCE

CODE = ("flows", "tasks", "tritune", "pyproject.toml", "constraints.txt", "Makefile")
"""What every stage's command needs besides the code among its dependencies."""

ALWAYS = ("params.yaml", "versions.yaml", ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore")

LARGEST = 50_000_000
"""Bytes of a file that git may get: it keeps every version for good, and hosts refuse large files."""


@dataclass(frozen=True)
class _Inputs:
    """What a model was made from, by how git finds it. Paths are relative to the root."""

    stages: frozenset[str]
    """The stage that wrote the model and all that it needs."""

    files: frozenset[str]
    """To be taken as they are, even if git ignores them; a missing one is taken out."""

    mixed: frozenset[str]
    """Folders whose files git holds, except what DVC keeps and what git ignores."""

    kept_by_dvc: frozenset[str]
    outputs: Mapping[str, str]
    """Path of each output kept by DVC -> the stage that writes it."""


def take_snapshot(root: Path, *, output: str, message: str, unlike: Collection[str] = ()) -> str:
    """Return a commit from which the stages up to the one that writes `output` can be reproduced.

    HEAD itself where its tree holds all that already.

    Args:
        output: Path of a DVC output, relative to `root`.
        unlike: Commits that may not be returned; a new one with the same tree is made instead.

    Raises:
        InputError: The results are not what dvc.lock says, or files changed meanwhile.
    """
    common_folder(root)
    inputs = _inputs(root, output)
    tree = _write_tree(root, inputs)
    _check_up_to_date(root, inputs)
    _check_provenance(root, inputs)
    if _write_tree(root, inputs) != tree:
        raise InputError("files of the project changed while they were recorded; try again when all is quiet")
    head = head_commit(root)
    if head is not None and head not in unlike and git(root, "rev-parse", f"{head}^{{tree}}") == tree:
        return head
    return _commit(root, tree, message)


def freeze(root: Path, *, output: str, message: str) -> str:
    """Return a commit of the project as it lies here, up to date or not: what would be run now.

    Args:
        output: Path of a DVC output; whatever makes it is in the commit as it is now.

    Raises:
        InputError: The pipeline can't be read, or a file is not fit for git.
    """
    common_folder(root)
    return _commit(root, _write_tree(root, _inputs(root, output)), message)


def _commit(root: Path, tree: str, message: str) -> str:
    head = head_commit(root)
    parents = ("-p", head) if head is not None else ()
    arguments = ("commit-tree", "--no-gpg-sign", tree, *parents)
    return git(root, *arguments, stdin=message + "\n", environment=identity(root))


def _inputs(root: Path, output: str) -> _Inputs:
    import networkx as nx
    from dvc.dependency import RepoDependency
    from dvc.stage import PipelineStage

    with open_repository(root) as repo, repo.lock:
        graph = repo.index.graph
        makers = [stage for stage in graph if any(_relative(out, root) == output for out in stage.outs)]
        if not makers:
            raise InputError(f"dvc.yaml: no stage has {output} among its outs, and only such a folder can be "
                             "registered")  # fmt: skip
        stages = [makers[0], *nx.descendants(graph, makers[0])]
        kept = frozenset(
            path for out in repo.index.outs if out.use_cache and (path := _relative(out, root)) is not None
        )
        # As in dvc.lock: DVC's `addressing` depends on the folder that this process runs in.
        own = {stage: stage.name for stage in stages if Path(stage.path) == Path(repo.root_dir) / "dvc.yaml"}
        outputs = {
            path: name
            for stage, name in own.items()
            for out in stage.outs
            if out.use_cache and (path := _relative(out, root)) is not None
        }
        files: set[str] = {*ALWAYS, *_templates(root)}
        mixed: set[str] = set()
        for stage in stages:
            definition = Path(stage.path).relative_to(root.resolve())
            files.add(definition.as_posix())
            if isinstance(stage, PipelineStage):
                files.add(definition.with_name("dvc.lock").as_posix())
            for out in stage.outs:
                path = _relative(out, root)
                if path is None:
                    continue
                if out.use_cache:
                    files.add((Path(path).parent / ".gitignore").as_posix())
                else:
                    files |= _below(repo, root, path)
            for dep in stage.deps:
                path = None if isinstance(dep, RepoDependency) else _relative(dep, root)
                if path is None or _covered(path, kept):
                    continue
                if any(name.startswith(f"{path}/") for name in kept):
                    mixed.add(path)
                else:
                    files |= _below(repo, root, path)
                    # Lists what HEAD holds there too, so that a deleted file goes.
                    mixed.add(path)
        return _Inputs(frozenset(own.values()), frozenset(files), frozenset(mixed), kept, outputs)


def _relative(item: Any, root: Path) -> str | None:
    """Return the path of a dependency or output, or None where it does not lie in the project."""
    if item.protocol != "local" or not item.is_in_repo:
        return None
    return Path(item.fs_path).relative_to(root.resolve()).as_posix()


def _covered(path: str, folders: Collection[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _below(repo: Any, root: Path, path: str) -> set[str]:
    """Return a file, or the files of a folder that DVC hashes."""
    if not (root / path).is_dir():
        return {path}
    found = repo.dvcignore.find(repo.fs, str(root.resolve() / path))
    return {Path(file).relative_to(root.resolve()).as_posix() for file in found}


def _templates(root: Path) -> set[str]:
    """Return the files that dvc.yaml takes values from under `vars`."""
    from dvc.utils.serialize import load_yaml

    listed = load_yaml(str(root / "dvc.yaml")).get("vars", [])
    return {entry.partition(":")[0] for entry in listed if isinstance(entry, str)}


def _write_tree(root: Path, inputs: _Inputs) -> str:
    """Write HEAD's tree with the present files put in, and return its id."""
    with tempfile.TemporaryDirectory(prefix="tritune-") as folder:
        own = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if head := head_commit(root):
            git(root, "read-tree", head, environment=own)
        else:
            git(root, "read-tree", "--empty", environment=own)
        options = ("--cached", "--others", "--exclude-standard", "-z", "--")
        listed = git(root, "ls-files", *options, *_literally({*inputs.mixed, *CODE}), environment=own)
        held = set(git(root, "ls-files", "-z", environment=own).split("\0"))
        wanted = {path for path in {*inputs.files, *listed.split("\0")} if path}
        wanted = {path for path in wanted if not _covered(path, inputs.kept_by_dvc)}
        wanted = {path for path in wanted if path in held or os.path.lexists(root / path)}
        _check_fit_for_git(root, wanted)
        options = ("--add", "--remove", "--replace", "-z", "--stdin")
        names = "".join(f"{path}\0" for path in sorted(wanted))
        git(root, "update-index", *options, stdin=os.fsencode(names), environment=own)
        return git(root, "write-tree", environment=own)


def _literally(paths: Iterable[str]) -> list[str]:
    return [f":(top,literal){path}" for path in sorted(paths)]


def _check_fit_for_git(root: Path, paths: Iterable[str]) -> None:
    for path in sorted(paths):
        file = root / path
        if file.is_symlink() and not file.resolve().is_relative_to(root.resolve()):
            raise InputError(
                f"{path} is a link to {file.resolve()}, outside the project: git would keep the link only, "
                "and the version could not be made again; put the file itself there, or `dvc add` it"
            )
        if file.is_file() and file.stat().st_size > LARGEST:
            raise InputError(
                f"{path} has {file.stat().st_size / 1e6:.0f} MB, and git, which keeps what DVC does not, "
                f"takes {LARGEST / 1e6:.0f} MB a file here; put it under DVC with `dvc add {path}`"
            )


def _check_up_to_date(root: Path, inputs: _Inputs) -> None:
    stale = [stage for stage in read_stages(root) if stage.stale and stage.name in inputs.stages]
    if stale:
        listed = "; ".join(f"{stage.name} ({', '.join(stage.reasons)})" for stage in stale[:3])
        more = f" and {len(stale) - 3} more" if len(stale) > 3 else ""
        raise InputError(
            f"the results are not those that the files here give: out of date: {listed}{more}; "
            "run `tritune run`, which registers too"
        )


def _check_provenance(root: Path, inputs: _Inputs) -> None:
    """Compare what made each output folder, by its own account, with dvc.lock.

    DVC hashes a stage's inputs when its command has ended, so that dvc.lock alone may name others
    than those that were read (treeverse/dvc#11058).
    """
    lock = locked_stages((root / "dvc.lock").read_bytes())
    for path, stage in sorted(inputs.outputs.items()):
        file = root / path / PROVENANCE
        if file.is_file() and stage in lock:
            account = json.loads(file.read_text(encoding="utf-8"))
            if different := differing_inputs(account, lock[stage]):
                raise InputError(
                    f"{path}/{PROVENANCE} and dvc.lock disagree on {', '.join(different)}: {path} was made "
                    f"from something else than dvc.lock says; make it again with `dvc repro -f -s {stage}`"
                )


def locked_stages(content: bytes) -> dict[str, Any]:
    """Return the entries of a dvc.lock by stage; none for a file that DVC cannot read."""
    from dvc.utils.serialize import YAMLFileCorruptedError

    try:
        parsed = parsed_lock(content.decode("utf-8"), "dvc.lock")
    except (YAMLFileCorruptedError, UnicodeDecodeError):
        return {}
    stages = parsed.get("stages") if isinstance(parsed, dict) else None
    return dict(stages) if isinstance(stages, dict) else {}


def differing_inputs(account: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    """Return what differs in command, dependencies and parameters: a path, or `KEY in FILE`."""
    left, right = _flat(account), _flat(json.loads(json.dumps(entry)))
    return sorted(name for name in {*left, *right} if left.get(name) != right.get(name))


def _flat(recorded: Mapping[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {"the command": recorded.get("cmd")}
    named |= {dep["path"]: dep.get("md5") for dep in recorded.get("deps", [])}
    for file, content in recorded.get("params", {}).items():
        named |= {f"{key} in {file}": value for key, value in content.items()}
    return named
