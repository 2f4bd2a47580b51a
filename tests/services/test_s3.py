"""A remote that speaks S3: a second clone restores, and what opens the store is written down nowhere."""

import re
import shutil
import sys
from collections.abc import Iterator

import pytest
from cut import Wire
from s3 import BUCKET, KEY, SECRET, Store
from toy_project import Toy, states

from tritune.pipeline.integrity import cached_objects

OF_ONE_METHOD = ("prepare", "train@full-13", "evaluate@full-13", "compare")


@pytest.fixture
def store() -> Iterator[Store]:
    pytest.importorskip("moto", reason="the extra `services` is not installed")
    pytest.importorskip("dvc_s3", reason="the extra `services` is not installed")
    store = Store()
    yield store
    store.stop()


def run(toy: Toy, *options: str) -> tuple[int, str]:
    process = toy.start(sys.executable, "-m", "flows", "run", *options)
    output, _ = process.communicate(timeout=540)
    return process.returncode, output


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_second_clone_restores_by_s3_and_no_secret_is_written_anywhere(toy: Toy, store: Store):
    toy.environment.update(store.environment)
    assert toy.dvc("remote", "add", "--default", "shelf", f"s3://{BUCKET}/project")[0] == 0
    assert toy.dvc("remote", "modify", "shelf", "endpointurl", store.endpoint)[0] == 0
    params = toy.folder / "params.yaml"
    params.write_text(params.read_text().replace("[full, partial, adaptive]", "[full]"))
    clone = toy.folder.parent / "clone"
    shutil.copytree(toy.folder, clone)
    code, first = run(toy, "--push")
    assert code == 0, first
    assert states(first) == dict.fromkeys(OF_ONE_METHOD, "Completed")
    assert "pushed: the results of 4 stages are in DVC's remote" in first
    second = Toy(clone, toy.environment)
    code, output = run(second)
    assert code == 0, output
    assert states(output) == dict.fromkeys(OF_ONE_METHOD, "Restored")
    assert "outputs came from DVC's remote" in output
    assert second.checkpoints() == toy.checkpoints()
    assert (clone / "dvc.lock").read_text() == (toy.folder / "dvc.lock").read_text()

    written = [path for path in toy.folder.parent.rglob("*") if path.is_file()]
    assert len(written) > 100  # caches, logs, Prefect's database, lock, metrics, reports
    for secret in (SECRET, KEY):
        assert secret not in first + output
        assert [path for path in written if secret.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_push_is_refused_before_any_work_where_the_store_does_not_answer(toy: Toy, store: Store):
    toy.environment.update(store.environment)
    toy.dvc("remote", "add", "--default", "shelf", f"s3://{BUCKET}/project")
    toy.dvc("remote", "modify", "shelf", "endpointurl", "http://127.0.0.1:9")
    assert run(toy, "--push") == (
        2,
        "error: --push: DVC's remote shelf cannot be reached; see where it is with `dvc remote list`, or run "
        "without --push and push later\n",
    )
    assert not (toy.folder / "data").exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_transfer_that_is_cut_leaves_nothing_half_and_the_next_one_ends_it(toy: Toy, store: Store):
    wire = Wire(store.endpoint)
    toy.environment |= {**store.environment, "AWS_MAX_ATTEMPTS": "2"}
    toy.dvc("remote", "add", "--default", "shelf", f"s3://{BUCKET}/project")
    toy.dvc("remote", "modify", "shelf", "endpointurl", wire.endpoint)
    params = toy.folder / "params.yaml"
    params.write_text(params.read_text().replace("[full, partial, adaptive]", "[full]"))
    (toy.folder / "tasks/train.py").write_text(LARGE)
    first, second, third = (Toy(toy.folder.parent / name, toy.environment) for name in ("b", "c", "d"))
    for clone in (first, second, third):
        shutil.copytree(toy.folder, clone.folder)

    wire.cut_after(1_000_000)
    code, output = run(toy, "--push")
    assert wire.is_cut
    assert code == 1, output
    assert re.search(r"error: \S+ could not be pushed: .*; again: tritune run --push\n$", output), output
    assert "Traceback" not in output
    wire.mend()
    # Of what is there in part nothing is taken.
    code, output = run(first)
    assert code == 0, output
    assert states(output)["train@full-13"] == "Completed"
    assert first.checkpoints() == toy.checkpoints()
    assert run(toy, "--push")[0] == 0

    wire.cut_after(1_000_000)
    code, output = run(second)
    assert wire.is_cut
    assert code == 0, output
    assert states(output)["train@full-13"] == "Completed"
    assert "DVC's remote did not answer; this run asks it no more and trains" in output
    assert second.checkpoints() == toy.checkpoints()
    assert all(one.sound for one in cached_objects(second.folder))
    wire.mend()
    code, output = run(third)
    assert code == 0, output
    assert set(states(output).values()) == {"Restored"}
    assert all(one.sound for one in cached_objects(third.folder))
    locks = {(clone.folder / "dvc.lock").read_text() for clone in (toy, first, second, third)}
    assert len(locks) == 1
    wire.stop()


LARGE = """
import random
from toy_stages import train

def run(ctx):
    train(ctx)
    (ctx.output_folder("checkpoints/full-13") / "large").write_bytes(random.Random(1).randbytes(3_000_000))
"""
