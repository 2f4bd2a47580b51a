"""A version more, and what is registered: shorthand for tests of the registry."""

from pathlib import Path

from registry_project import Project

from tritune.pipeline.registry import register, versions


def add_version(project: Project, score: str, *, rows: str | None = None) -> str:
    project.train(score, rows=rows)
    return register(project.folder).version


def stages(project: Project) -> dict[str, tuple[str, ...]]:
    return {version.version: version.stages for version in versions(project.folder)}


def champion(project: Project) -> str:
    return next(version for version, own in stages(project).items() if "champion" in own)


def weights(folder: Path) -> str:
    return (folder / "weights.txt").read_text()
