"""The user's data and base model: are they there, and did they change under the same name?

DVC cannot see it: a source is a parameter, not a file.
"""

from pathlib import Path

from tritune.data.fingerprint import source_changed, source_files
from tritune.models.base import base_changed, check_base
from tritune.settings.project import Project


def stale_sources(project: Project, *, root: Path) -> dict[str, str]:
    """Return the stages to run whatever DVC says, with the reason."""
    data, model = project.data.source, project.model
    changed = []
    if source_changed(data, root / "data/raw", root=root):
        changed.append(data)
    if base_changed(model, root / "base", root=root):
        changed.append(" or ".join(filter(None, (model.source, model.decoder))))
    return {"fetch": f"{' and '.join(changed)} changed"} if changed else {}


def check_sources(project: Project, *, root: Path) -> None:
    """Find what is wrong with the sources before DVC starts; what is on the hub, `fetch` finds out.

    DVC empties a stage's outputs before it runs: data in a folder that the pipeline writes would be lost.

    Raises:
        InputError: Data or model are not there, ambiguous, of an unknown kind or unsafe to load.
    """
    source_files(project.data.source, root=root)
    check_base(project.model, root=root)
