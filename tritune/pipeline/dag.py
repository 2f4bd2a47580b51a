"""The stages of dvc.yaml in an order that respects what they need, and DVC's verdict on each.

dvc.yaml is the only DAG, and DVC the only judge of what is up to date.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.pipeline.lock_file import changed_lock
from tritune.pipeline.opening import open_repository
from tritune.versions import FILE as VERSIONS_FILE

SECONDS_FOR_OTHERS = 3.0
"""How long another DVC process may hold a stage before we call the project busy."""


@dataclass(frozen=True)
class Stage:
    """One stage as dvc.yaml has it, and whether its outputs are what its inputs call for."""

    name: str
    """For example `train@partial-13`."""

    needs: tuple[str, ...]
    """Names of the stages whose outputs it reads."""

    outputs: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why it may have to run, in a few words each. Empty: up to date."""

    meta: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)
    """Hints on how to run it; not part of its identity."""

    pipeline: str = "dvc.yaml"
    """The file that defines it, from the project's root."""

    @property
    def kind(self) -> str:
        """The name without what a matrix adds: `train`."""
        return self.name.partition("@")[0]

    @property
    def address(self) -> str:
        """What DVC is told to run."""
        return self.name if self.pipeline == "dvc.yaml" else f"{self.pipeline}:{self.name}"

    @property
    def stale(self) -> bool:
        return bool(self.reasons)


@dataclass(frozen=True)
class _Verdict:
    """What DVC says of one stage by itself."""

    name: str
    needs: tuple[str, ...]
    outputs: tuple[str, ...]
    reasons: tuple[str, ...]
    meta: Mapping[str, Any]
    busy: str
    """Which process works on it at this moment; empty: none."""


def read_stages(
    root: Path,
    *,
    forced: Mapping[str, str] | None = None,
    tolerate_busy: bool = False,
    pipeline: str = "dvc.yaml",
) -> list[Stage]:
    """Return all stages, each after those that it needs, with DVC's verdict.

    A stage below a stale one is stale for now; when its turn comes, DVC may find its inputs unchanged.

    Args:
        root: The project.
        forced: Stages to call stale whatever DVC says, with the reason.
        tolerate_busy: A stage that another DVC process works on is stale, not an error.
        pipeline: The file whose stages are wanted; one in a folder is a pipeline of its own.

    Raises:
        InputError: The pipeline cannot be read, or another DVC process works on it.
    """
    forced = forced or {}
    stages: dict[str, Stage] = {}
    for verdict in _verdicts(root, pipeline):
        if verdict.busy and not tolerate_busy:
            raise InputError(
                f"another DVC process is working here: {verdict.busy}; wait until it ends, then try again"
            )
        reasons = ((forced[verdict.name],) if verdict.name in forced else ()) + verdict.reasons
        if not reasons:
            reasons = tuple(f"after {need}" for need in verdict.needs if stages[need].stale)
        stages[verdict.name] = Stage(
            verdict.name, verdict.needs, verdict.outputs, reasons, verdict.meta, pipeline
        )
    return list(stages.values())


def order_lock(root: Path, stages: Sequence[Stage]) -> None:
    """Put the entries of a pipeline's dvc.lock in the order of its stages, those of no stage last.

    DVC appends them as stages end, so that two runs side by side would differ in order alone.

    Args:
        stages: All of a pipeline, as `read_stages` gives them.
    """
    wanted = {stage.name: number for number, stage in enumerate(stages)}
    path = (root / stages[0].pipeline).with_name("dvc.lock")
    with open_repository(root) as repo, repo.lock:
        if not path.is_file():
            return
        with changed_lock(path) as lock:
            if entries := lock.get("stages", {}):
                place = {name: wanted.get(name, len(wanted)) for name in entries}
                lock["stages"] = {name: entries[name] for name in sorted(entries, key=place.__getitem__)}


def stages_of(repo: Any, pipeline: str = "dvc.yaml") -> list[Any]:
    """Return the stages of the project's own dvc.yaml; one in a folder below is a pipeline of its own."""
    own = Path(repo.root_dir) / pipeline
    return [stage for stage in repo.index.stages if stage.cmd and Path(stage.path) == own]


def _verdicts(root: Path, pipeline: str) -> list[_Verdict]:
    """Return DVC's verdicts; while another process works on a stage, wait a little and ask again."""
    deadline = time.monotonic() + SECONDS_FOR_OTHERS
    while True:
        verdicts = _read(root, pipeline)
        if not any(verdict.busy for verdict in verdicts) or time.monotonic() > deadline:
            return verdicts
        time.sleep(0.3)


def _read(root: Path, pipeline: str) -> list[_Verdict]:
    import networkx as nx

    # One lock and one index, so that graph and verdicts agree.
    with open_repository(root) as repo, repo.lock:
        stages = stages_of(repo, pipeline)
        _check_params(stages)
        position = {stage.name: number for number, stage in enumerate(stages)}
        graph = repo.index.graph.subgraph(stages)  # an edge leads from a stage to one that it needs
        order = nx.lexicographical_topological_sort(graph.reverse(), key=lambda stage: position[stage.name])
        return [
            _verdict(stage, needs=sorted((need.name for need in graph[stage]), key=position.__getitem__))
            for stage in order
        ]


def _check_params(stages: Iterable[Any]) -> None:
    """Refuse when a declared parameter is not there; DVC would say so when the stage's turn comes."""
    from dvc.dependency import ParamsDependency

    for stage in stages:
        for dep in stage.deps:
            if not isinstance(dep, ParamsDependency):
                continue
            if str(dep) == VERSIONS_FILE and not dep.exists:
                raise InputError(f"{dep} is missing; write it with `python -m tritune.versions`")
            for key in set(dep.params) - set(dep.read_params()):
                raise InputError(
                    f"{dep}: `{key}` is missing, and {stage.name} depends on it; add it "
                    f"(a section may be empty, which means its defaults: `{key}: {{}}`)"
                )


def _verdict(stage: Any, *, needs: list[str]) -> _Verdict:
    from dvc.lock import LockError

    outputs = [out.def_path for out in stage.outs]
    meta = dict(stage.meta or {})
    try:
        reasons, busy = _reasons(stage), ""
    except LockError as error:
        reasons, busy = ["another process is working on it"], _blocker(str(error))
    return _Verdict(stage.name, tuple(needs), tuple(outputs), tuple(reasons), meta, busy)


def _reasons(stage: Any) -> list[str]:
    status = stage.status().get(stage.addressing, [])
    if status and not any(out.hash_info for out in stage.outs):
        return ["never ran with these settings"]
    reasons = []
    for entry in status:
        if not isinstance(entry, dict):
            reasons.append("its command changed" if entry == "changed checksum" else str(entry))
            continue
        for path, change in (pair for group in entry.values() for pair in group.items()):
            if isinstance(change, dict):
                reasons += [f"{path}: {key} {_verb(verb)}" for key, verb in change.items()]
            else:
                reasons.append(f"{path} {_verb(change)}")
    return reasons


def _verb(change: str) -> str:
    words = {
        "modified": "changed",
        "deleted": "is missing",
        "new": "is new",
        "not in cache": "is not in the cache",
    }
    return words.get(change, change)


def _blocker(message: str) -> str:
    """Return the line of a DVC lock error that names a process and its command."""
    return next((line.strip() for line in message.splitlines() if "PID" in line), message.splitlines()[0])
