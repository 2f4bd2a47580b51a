"""Does a registered version's tag still make its model? It is made again from the tag and graded."""

import filecmp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from tritune.agreement import ScorePair, agreement, score_pairs
from tritune.errors import InputError
from tritune.pipeline.circumstances import circumstances, first_to_differ, other_inputs
from tritune.pipeline.git import file_contents
from tritune.pipeline.guard import WORK
from tritune.pipeline.machine import made_on
from tritune.pipeline.model_files import fetch
from tritune.pipeline.opening import open_repository
from tritune.pipeline.outcome import StageFailed
from tritune.pipeline.outputs import PROVENANCE
from tritune.pipeline.rebuild import rebuild, work_tree
from tritune.pipeline.registered_version import (
    COMPARISON,
    MODEL,
    RegisteredVersion,
    describe,
    locked_hash,
    scores_of,
)
from tritune.pipeline.registry import find
from tritune.pipeline.registry_tags import Event
from tritune.pipeline.side_by_side import Screen
from tritune.pipeline.snapshot import locked_stages

Grade = Literal["bit-identical", "same within tolerance", "different", "not rebuilt"]

SCORE_TOLERANCE = 0.01
"""By how much a score may differ: what `compare.margin` and `register.margin` call no difference unless told
otherwise. Of a score above 1, which may have no upper end, this share."""

LEAST_AGREEMENT = 0.99
"""Share of a split's rows whose answer has to be the same: fewer could move the accuracy by more than the
tolerance. Equal scores alone say little, as two models can be right on different rows. The demo's partial
model, trained and evaluated with other loops of the processor (MKL_CBWR=COMPATIBLE), had other bytes, and
the same answer on each of its 492 rows."""

REGISTERED = WORK / "registered"
"""In the work tree: what was registered, to compare with."""

ACCOUNTS = ("README.md", "lineage.json", PROVENANCE)
"""Files of the model's folder that tell how it was made; no answer depends on them."""


@dataclass(frozen=True)
class Verification:
    """What came of making a version again."""

    version: str
    grade: Grade
    ran: tuple[str, ...] = ()
    """Stages that ran again."""

    scores: Sequence[ScorePair] = ()
    """The registered score first; empty where no byte differs."""

    agreement: Mapping[str, float] = field(default_factory=dict)
    """Split -> share of rows with the same answer."""

    files: tuple[str, ...] = ()
    """Files of the model's folder that differ."""

    differences: tuple[str, ...] = ()
    """What is not as it was when the version was made, one sentence each: where the grade is not the best,
    what may have caused it."""

    error: str = ""
    """Why it could not be made again."""


def verify(root: Path, reference: str, *, screen: Screen) -> Verification:
    """Make a registered version again and compare it with what was registered.

    Args:
        reference: As `registry.materialise` takes it.

    Raises:
        InputError: No such version, or what it is compared with cannot be had. Found before any work.
    """
    tags, event = find(root, reference)
    (version,) = describe(root, tags, [event])
    lock = file_contents(root, [f"{event.commit}:dvc.lock"]).get(f"{event.commit}:dvc.lock", b"")
    if not locked_hash(lock):
        raise InputError(
            f"{event.tag}: its commit {event.commit[:10]} has no {MODEL} in dvc.lock, so that nothing says "
            "what to compare with; verify another version"
        )
    with work_tree(root, event) as tree:
        _fetch_registered(root, tree, event, version, lock)
        try:
            ran = rebuild(root, tree, event, screen=screen)
        except StageFailed as failure:
            differences = tuple(circumstances(root, event, version))
            return Verification(event.version, "not rebuilt", differences=differences, error=failure.error)
        return _graded(root, tree, event, version, lock, ran)


def _fetch_registered(root: Path, tree: Path, event: Event, version: RegisteredVersion, lock: bytes) -> None:
    """Have the registered model and its predictions at hand, before hours of work."""
    wanted = {MODEL: locked_hash(lock), _evaluation(version): locked_hash(lock, output=_evaluation(version))}
    with open_repository(root) as repo:
        for path, content in wanted.items():
            if content:
                fetch(
                    repo,
                    tree / REGISTERED / path,
                    content=content,
                    commit=event.commit,
                    version=event.version,
                    part=path,
                )


def _graded(
    root: Path, tree: Path, event: Event, version: RegisteredVersion, lock: bytes, ran: tuple[str, ...]
) -> Verification:
    made = (tree / "dvc.lock").read_bytes()
    before, after = locked_stages(lock), locked_stages(made)
    training = f"train@{version.method}-{version.seed}"
    machine = made_on(tree, training, after[training]) if training in after else {}
    differences = [
        *circumstances(root, event, version, machine=machine),
        *other_inputs(before, after, stages=ran),
    ]
    if locked_hash(made) == locked_hash(lock):
        return Verification(event.version, "bit-identical", ran, differences=tuple(differences))
    files = _differing_files(tree / REGISTERED / MODEL, tree / MODEL)
    made_scores = scores_of((tree / COMPARISON).read_bytes())
    pairs = score_pairs(
        {"validation": version.validation, "test": version.test},
        {"validation": made_scores.validation, "test": made_scores.test},
    )
    shares = _agreement(tree, _evaluation(version))
    if not set(files) - set(ACCOUNTS):
        return Verification(
            event.version, "bit-identical", ran, pairs, shares, tuple(files), tuple(differences)
        )
    differences += first_to_differ(before, after, stages=ran)
    if not version.made_on:
        differences.append("on which machine it was trained is not on record")
    same_choice = (made_scores.method, made_scores.seed) == (version.method, version.seed)
    if not same_choice:
        differences.append(
            f"the comparison now chooses {made_scores.method}-{made_scores.seed}, and chose "
            f"{version.method}-{version.seed} then"
        )
    within = bool(pairs) and all(pair.within(SCORE_TOLERANCE) for pair in pairs)
    agree = all(share >= LEAST_AGREEMENT for share in shares.values())
    grade: Grade = "same within tolerance" if same_choice and within and agree else "different"
    return Verification(event.version, grade, ran, pairs, shares, tuple(files), tuple(differences))


def _evaluation(version: RegisteredVersion) -> str:
    return f"evaluations/{version.method}-{version.seed}"


def _agreement(tree: Path, evaluation: str) -> dict[str, float]:
    """Return how far the predictions agree; nothing where the pipeline keeps none."""
    tables = [folder / evaluation / "predictions.parquet" for folder in (tree / REGISTERED, tree)]
    if not all(table.is_file() for table in tables):
        return {}
    return agreement(*(pq.read_table(table) for table in tables))


def _differing_files(one: Path, other: Path) -> list[str]:
    names = {
        path.relative_to(folder).as_posix()
        for folder in (one, other)
        for path in folder.rglob("*")
        if path.is_file()
    }
    return sorted(name for name in names if not _same_bytes(one / name, other / name))


def _same_bytes(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)
