"""A remote that speaks S3: a second clone restores, and what opens the store is written down nowhere."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3 import BUCKET, KEY, SECRET, Store
from toy_project import STAGES, Toy, states


@pytest.fixture
def store() -> Iterator[Store]:
    pytest.importorskip("moto", reason="the extra `services` is not installed")
    pytest.importorskip("dvc_s3", reason="the extra `services` is not installed")
    store = Store()
    yield store
    store.stop()


@pytest.mark.slow
def test_a_second_clone_restores_by_s3_and_no_secret_is_written_anywhere(toy: Toy, store: Store):
    toy.environment.update(store.environment)
    assert toy.dvc("remote", "add", "--default", "shelf", f"s3://{BUCKET}/project")[0] == 0
    assert toy.dvc("remote", "modify", "shelf", "endpointurl", store.endpoint)[0] == 0
    clone = toy.folder.parent / "clone"
    shutil.copytree(toy.folder, clone)
    code, first = toy.tritune("run", "--push")
    assert code == 0, first
    assert states(first) == dict.fromkeys(STAGES, "Completed")
    assert "pushed: the results of 8 stages are in DVC's remote" in first
    second = Toy(clone, toy.environment)
    code, output = second.tritune("run")
    assert code == 0, output
    assert states(output) == dict.fromkeys(STAGES, "Restored")
    assert "outputs came from DVC's remote" in output
    assert second.checkpoints() == toy.checkpoints()
    assert (clone / "dvc.lock").read_text() == (toy.folder / "dvc.lock").read_text()

    written = [path for path in toy.folder.parent.rglob("*") if path.is_file()]
    assert len(written) > 100  # caches, logs, Prefect's database, lock, metrics, reports
    for secret in (SECRET, KEY):
        assert secret not in first + output
        assert [path for path in written if secret.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_without_the_password_it_is_said_and_training_goes_on(toy: Toy, store: Store):
    environment = {**store.environment, "AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY_ID": ""}
    toy.environment.update(environment)
    toy.dvc("remote", "add", "--default", "shelf", f"s3://{BUCKET}/project")
    toy.dvc("remote", "modify", "shelf", "endpointurl", "http://127.0.0.1:9")
    code, output = toy.tritune("run")
    assert code == 0, output
    assert "prepare | DVC's remote could not be asked for a result, so this may run anew: " in output
    assert states(output) == dict.fromkeys(STAGES, "Completed")
    code, output = toy.call(sys.executable, "-m", "flows", "run", "--push")
    assert (code, output) == (
        2,
        "error: --push: DVC's remote shelf cannot be reached; see where it is with `dvc remote list`, or run "
        "without --push and push later\n",
    )
    assert not (Path(toy.folder) / ".dvc/config.local").exists()
