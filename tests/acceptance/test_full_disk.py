"""The disk is full in each stage in turn: a sentence, nothing half-written, then the same bytes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))

from small_disk import small_disk

from benchmarks.fresh_clone import Clone
from tritune.pipeline.dag import read_stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

OUTPUTS = ("data", "base", "baseline", "plans", "checkpoints", "histories", "evaluations", "metrics")
OUTPUTS += ("results", "models")


def files(folder: Path) -> dict[str, bytes]:
    found = (path for name in OUTPUTS for path in (folder / name).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_in_each_stage(first_run, tmp_path: Path):
    ran = first_run()
    with small_disk(tmp_path / "disk", megabytes=64) as disk:
        clone = anew(ran, disk.folder)
        assert clone.tritune("run", timeout=1500).returncode == 0
        undisturbed = files(clone.folder)
        start_anew(clone)
        order = [stage.name for stage in read_stages(clone.folder)]
        for number, name in enumerate(order):
            lock = clone.folder / "dvc.lock"
            before = files(clone.folder), lock.read_bytes() if number else b""
            disk.fill(leave=150_000)
            full = clone.run(sys.executable, "-m", "dvc", "repro", "-s", name)
            disk.empty()
            said = full.stdout + full.stderr
            assert full.returncode != 0, f"{name}: {said}"
            assert f"error: no space left on the disk that holds {clone.folder}; free some" in said, name
            assert "Traceback" not in said, f"{name}: {said}"
            assert (files(clone.folder), lock.read_bytes() if number else b"") == before, name
            assert clone.half_done() == []
            done = clone.run(sys.executable, "-m", "dvc", "repro", "-s", name)
            assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        assert differing(undisturbed, files(clone.folder)) == []
        assert clone.tritune("run").returncode == 0
        assert clone.run("git", "tag").stdout.split() == ran.run("git", "tag").stdout.split()


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def anew(ran: Clone, place: Path) -> Clone:
    """Return a clone of the same project in another place in which nothing ran yet."""
    ran.run("cp", "-r", str(ran.folder), str(place)).check_returncode()
    (place / "home").mkdir()
    clone = Clone(place / ran.folder.name, place / "home")
    clone.environment["PATH"] = ran.environment["PATH"]
    start_anew(clone)
    return clone


def start_anew(clone: Clone) -> None:
    """Take away all that ran, and what DVC and the registry remember of it."""
    for name in (*OUTPUTS, "measurements", "sweeps", ".prefect", ".dvc/cache", ".dvc/tmp"):
        clone.run("rm", "-rf", name)
    (clone.folder / "dvc.lock").unlink()
    for tag in clone.run("git", "tag").stdout.split():
        clone.run("git", "tag", "-d", tag)
