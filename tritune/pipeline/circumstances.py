"""What is not as it was when a version was made: libraries, machine, parameters, data, code.

Where a version made again comes out otherwise, one of these is the cause, or a stage that gives other bytes
from the same inputs.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from tritune.pipeline.git import file_contents
from tritune.pipeline.machine import this_machine
from tritune.pipeline.registered_version import RegisteredVersion
from tritune.pipeline.registry_tags import Event
from tritune.pipeline.snapshot import differing_inputs
from tritune.versions import FILE as VERSIONS_FILE

PINS = "constraints.txt"
SHOWN = 8
"""Packages that are named; the others are counted."""


def circumstances(
    root: Path, event: Event, version: RegisteredVersion, *, machine: Mapping[str, str] | None = None
) -> list[str]:
    """Return one sentence for each library and each property of the machine that differs from then.

    Args:
        machine: On what the version was made again; what is left out is what the system says of itself.
    """
    return [
        *_libraries(root, event),
        *machine_differences(version.made_on, {**this_machine(), **(machine or {})}),
    ]


def other_inputs(before: Mapping[str, Any], after: Mapping[str, Any], *, stages: Sequence[str]) -> list[str]:
    """Return one sentence for each input of the stages that is not the one on record.

    What another of the stages made is a consequence and left out; so are versions, which `circumstances` has.

    Args:
        before, after: Entries of dvc.lock.
    """
    made = {out["path"] for stage in stages for out in before.get(stage, {}).get("outs", [])}
    found: dict[str, str] = {}
    for stage in stages:
        for name in differing_inputs(before.get(stage, {}), after.get(stage, {})):
            path, _, file = name.rpartition(" in ")
            if file == VERSIONS_FILE or _covered(name, made):
                continue
            if path:
                found.setdefault(
                    name, f"parameters: {path} in {file} is not the one that {stage} was made with"
                )
            else:
                kind = "code" if name.endswith((".py", ".j2")) or name == "the command" else "data"
                found.setdefault(name, f"{kind}: {name} is not what {stage} was made with")
    return list(found.values())


def first_to_differ(
    before: Mapping[str, Any], after: Mapping[str, Any], *, stages: Sequence[str]
) -> list[str]:
    """Say which stage was the first to give something else, in the order in which they need each other."""
    for stage in stages:
        old, new = (_outputs(lock.get(stage, {})) for lock in (before, after))
        if changed := sorted(path for path in old if old[path] != new.get(path)):
            return [f"the first stage to give something else is {stage} ({', '.join(changed)})"]
    return []


def machine_differences(then: Mapping[str, str], here: Mapping[str, str]) -> Iterator[str]:
    """Yield one sentence for each property that is known of both machines and differs."""
    for name, value in then.items():
        if here.get(name, value) == value:
            continue
        if name == "processor features":
            old, new = set(value.split()), set(here[name].split())
            parts = [("without", old - new), ("with", new - old)]
            told = " and ".join(f"{word} {' '.join(sorted(those))}" for word, those in parts if those)
            yield f"hardware: {name}: here {told}"
        else:
            yield f"hardware: {name}: made with {value} (here: {here[name]})"


def other_versions(pins: str, exact: str = "") -> list[str]:
    """Return each package of which another version is installed: `torch 2.13.0+cpu (here: 2.14.0)`.

    Args:
        pins: Content of constraints.txt; not every package that it names has to be installed.
        exact: Content of versions.yaml, which names builds too. These come first.
    """
    lines = (line.partition("#")[0].strip() for line in pins.splitlines())
    pinned = {name: version for name, mark, version in (line.partition("==") for line in lines) if mark}
    exactly = {
        name: version
        for name, mark, version in (line.partition(": ") for line in exact.splitlines())
        if mark and not name.startswith("#")
    }
    different = []
    for name, version in {**pinned, **exactly}.items():
        here = _installed(name)
        if here is not None and (here if name in exactly else here.partition("+")[0]) != version:
            different.append((name not in exactly, f"{name} {version} (here: {here})"))
    return [text for _, text in sorted(different)]


def shortened(items: Sequence[str]) -> str:
    """Return a list for a sentence; what is too much is counted."""
    return ", ".join(items[:SHOWN]) + (f" and {len(items) - SHOWN} more" if len(items) > SHOWN else "")


def _libraries(root: Path, event: Event) -> Iterator[str]:
    names = [f"{event.commit}:{file}" for file in (PINS, VERSIONS_FILE)]
    held = file_contents(root, names)
    if different := other_versions(*(held.get(name, b"").decode() for name in names)):
        yield f"library versions: made with {shortened(different)}"


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _outputs(entry: Mapping[str, Any]) -> dict[str, str]:
    return {out["path"]: str(out.get("md5")) for out in entry.get("outs", [])}


def _covered(path: str, folders: set[str]) -> bool:
    return any(path == own or path.startswith(f"{own}/") or own.startswith(f"{path}/") for own in folders)
