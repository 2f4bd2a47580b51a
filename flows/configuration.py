"""`tritune use`: a ready configuration of `configs/` becomes params.yaml; nothing of the user's is lost."""

from pathlib import Path

from tritune.errors import InputError
from tritune.pipeline.git import try_git
from tritune.settings.problems import did_you_mean
from tritune.settings.project import read_project

PARAMS = "params.yaml"
FOLDER = "configs"


def configurations(root: Path) -> dict[str, Path]:
    """Return the ready configurations by name, sorted."""
    return {path.stem: path for path in sorted((root / FOLDER).glob("*.yaml"))}


def use(name: str, *, root: Path) -> str:
    """Make `configs/NAME.yaml` the project's params.yaml. Return what was done, in a sentence.

    Raises:
        InputError: There is none of that name, it has problems, or params.yaml holds changes that are neither
            committed nor one of the configurations.
    """
    known = configurations(root)
    if name not in known:
        raise InputError(
            f"{FOLDER}/{name}.yaml: no such configuration{did_you_mean(name, known)}; there are "
            f"{', '.join(known) or 'none'}"
        )
    read_project(known[name])
    target, content = root / PARAMS, known[name].read_bytes()
    present = target.read_bytes() if target.is_file() else b""
    if present == content:
        return f"{PARAMS} is {FOLDER}/{name}.yaml already"
    ready = any(present == path.read_bytes() for path in known.values())
    # Empty: as committed. None: git cannot say, so the file may be the only copy.
    if present and not ready and try_git(root, "status", "--porcelain", "--", PARAMS) != "":
        raise InputError(
            f"{PARAMS} has changes that are not committed, and {FOLDER}/{name}.yaml would replace them; "
            f"commit them, copy them to {FOLDER}/my.yaml, or undo them with `git checkout {PARAMS}`"
        )
    unfinished = root / f".{PARAMS}.unfinished"
    unfinished.write_bytes(content)
    unfinished.replace(target)
    return f"{PARAMS} is {FOLDER}/{name}.yaml now; the file before it is in git or in {FOLDER}"
