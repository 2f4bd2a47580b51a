"""Did the user's data change under the same name? DVC cannot see it: a source is a parameter, not a file."""

from pathlib import Path

from tritune.data.fingerprint import source_changed
from tritune.settings.project import Project


def stale_sources(project: Project, *, root: Path) -> dict[str, str]:
    """Return the stages to run whatever DVC says, with the reason."""
    source = project.data.source
    if source_changed(source, root / "data/raw", root=root):
        return {"fetch": f"{source} changed"}
    return {}
