"""Secrets of the environment and of the remote: in nothing that is printed, written or committed."""

from pathlib import Path
from secrets import token_hex

import pytest

from benchmarks.fresh_clone import Clone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# Drawn anew: this file is in the clone, too.
IN_THE_ENVIRONMENT = {
    "AWS_SECRET_ACCESS_KEY": f"key{token_hex(12)}",
    "HF_TOKEN": f"hf_{token_hex(12)}",
    "PREFECT_API_KEY": f"pnu_{token_hex(12)}",
}
OF_THE_REMOTE = f"password{token_hex(12)}"
REMOTE = f"http://ann:{OF_THE_REMOTE}@127.0.0.1:9/shelf?sig={OF_THE_REMOTE}"
OPENERS = tuple(secret.encode() for secret in (*IN_THE_ENVIRONMENT.values(), OF_THE_REMOTE))


def test_no_command_tells_or_keeps_a_secret(first_run):
    clone: Clone = first_run()
    clone.environment |= IN_THE_ENVIRONMENT
    told = [
        clone.run("dvc", "remote", "add", "--local", "--default", "shelf", REMOTE),
        clone.tritune("doctor"),
        clone.tritune("run", "--push"),
    ]
    clone.set_params(lambda params: params["method"]["full"].update(lr=2e-2))
    # The remote is not there, and is asked for every stage.
    told += [clone.tritune("run"), clone.tritune("retrain"), clone.tritune("status")]
    assert told[3].returncode == 0, told[3].stdout + told[3].stderr
    with (clone.folder / "tickets.csv").open("ab") as file:
        file.write(b'"a broken row')
    told += [clone.tritune("run"), clone.tritune("retrain")]
    assert [done.returncode for done in told[-2:]] == [2, 2]
    told += [clone.tritune(*asked) for asked in (("registry",), ("lineage", "v0.0.1"), ("doctor", "--full"))]
    assert len(told[-2].stdout) > 300

    for done in told:
        assert not leaks(f"{done.stdout}{done.stderr}".encode()), done.args
    assert secrets_in(clone.folder, but={clone.folder / ".dvc/config.local"}) == []
    assert secrets_in(Path(clone.environment["HOME"]), but=set()) == []
    objects = ("git", "cat-file", "--batch", "--batch-all-objects")
    committed = clone.run("sh", "-c", f"{' '.join(objects)} | grep -a -c -F -e {' -e '.join(words())}")
    assert committed.stdout == "0\n"


def test_the_search_itself_finds_what_is_there(tmp_path: Path):
    (tmp_path / "log").write_text(f"opened {REMOTE}")
    assert secrets_in(tmp_path, but=set()) == [tmp_path / "log"]


def words() -> list[str]:
    return [secret.decode() for secret in OPENERS]


def leaks(content: bytes) -> list[bytes]:
    return [secret for secret in OPENERS if secret in content]


def secrets_in(folder: Path, *, but: set[Path]) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file() and path not in but)
    return [path for path in files if leaks(path.read_bytes())]
