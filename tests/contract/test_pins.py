"""Every package that the project brings in, however far down, is pinned: what is audited is what runs."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(r"(?m)^([^#=\s]+)==(\S+)$", (ROOT / "constraints.txt").read_text())
}
EXTRAS = PROJECT["optional-dependencies"]


PYTHONS = ["", "3.11.0", "3.12.0", "3.13.0"]
"""This one, and others that the project may be installed for: what a package needs may depend on it."""


def brought_in(requirements: list[str], *, python: str = "") -> Iterator[str]:
    """Yield the name of each package that is needed, those that are needed by it included."""
    of_python = {"python_full_version": python, "python_version": python.rpartition(".")[0]} if python else {}
    waiting, seen = [Requirement(text) for text in requirements], set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name == "tritune":
            waiting += [Requirement(text) for extra in wanted.extras for text in EXTRAS[extra]]
            continue
        for extra in {"", *wanted.extras} - {known for at, known in seen if at == name}:
            seen.add((name, extra))
            yield name
            try:
                needed = metadata.requires(name) or []
            except metadata.PackageNotFoundError:  # of an extra that is not installed here
                continue
            found = (Requirement(text) for text in needed)
            waiting += [
                one
                for one in found
                if one.marker is None or one.marker.evaluate({**of_python, "extra": extra})
            ]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_whatever_is_installed_for_the_project_has_a_pin(extra, python):
    needed = set(brought_in(EXTRAS[extra] if extra else PROJECT["dependencies"], python=python))
    assert len(needed) >= len(EXTRAS[extra] if extra else PROJECT["dependencies"])
    assert sorted(needed - set(PINS)) == []


def test_what_is_pinned_fits_what_the_project_asks_for():
    asked = [*PROJECT["dependencies"], *(text for texts in EXTRAS.values() for text in texts)]
    for wanted in map(Requirement, asked):
        name = canonicalize_name(wanted.name)
        assert name == "tritune" or wanted.specifier.contains(PINS[name]), f"{wanted}: {PINS[name]} is pinned"
