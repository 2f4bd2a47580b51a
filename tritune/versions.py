"""The packages whose version changes results: what is installed, and what versions.yaml says.

`python -m tritune.versions` writes versions.yaml, whose entries are DVC parameters of the stages that use
the package. Build tags count: 2.13.0+cpu and another build of 2.13.0 give different bytes.
"""

import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from tritune.errors import InputError

FILE = "versions.yaml"
PACKAGES = ("peft", "tokenizers", "torch", "transformers")
_HEADER = "# What is installed here; written by `python -m tritune.versions`. Results depend on it.\n"


def installed_versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return each package's version with its build tag, without importing it.

    Raises:
        InputError: One is not installed for this Python.
    """
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            raise InputError(
                f"{package} is not installed for {sys.executable}; activate the project's environment "
                "(source .venv/bin/activate), or make it with `make setup`"
            ) from None
    return versions


def check_versions(recorded: Mapping[str, str]) -> None:
    """Refuse to go on when what is installed is not what versions.yaml names.

    Raises:
        InputError: A package has another version or build, or is not installed.
    """
    installed = installed_versions(recorded)
    different = [
        f"{package} {version} (installed: {installed[package]})"
        for package, version in recorded.items()
        if installed[package] != version
    ]
    if different:
        raise InputError(
            f"{FILE} names {', '.join(different)}; a result would be recorded under a version that did not "
            "make it. Install what the file names, or take over what is installed with "
            "`python -m tritune.versions` (the stages that use it then run again)"
        )
    # Forked processes have libraries that were loaded when the run began.
    for package, version in installed.items():
        loaded = getattr(sys.modules.get(package), "__version__", version)
        if loaded != version:
            raise InputError(
                f"{package} {version} was installed while this run went on with {loaded}; start the run again"
            )


def write_versions(folder: Path) -> bool:
    """Write versions.yaml if its content differs. Return whether it did."""
    versions = installed_versions()
    text = _HEADER + "".join(f"{package}: {version}\n" for package, version in sorted(versions.items()))
    path = folder / FILE
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def main() -> int:
    try:
        changed = write_versions(Path.cwd())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{FILE} {'written' if changed else 'is up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
