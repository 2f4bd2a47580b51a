"""What a stage gives, by way of DVC's remote: asked for before it would run, left there for other machines.

`dvc push --run-cache` leaves out what git holds (`cache: false`), and so another clone would have to evaluate
anew; here the result of a stage travels whole. Its entry in the run-cache goes last: one that is found has
all that it names. All in the project in the current folder, where DVC looks for
dvc.yaml; `python -m tritune.pipeline.remote_results fetch STAGE` is a process that a flow can stop.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.pipeline.dag import stages_of
from tritune.pipeline.identity import key_of_entry
from tritune.pipeline.opening import open_repository
from tritune.pipeline.passwords import without_passwords
from tritune.pipeline.supervisor import end_with_supervisor

FOUND = {0: "fetched", 3: "here", 4: "nowhere"}
"""Exit code of `fetch` -> where the result was: in the remote, on this machine already, in neither."""

SECONDS_TO_ANSWER = 60.0
"""As long may a remote take to say whether it has a result; bringing it may take any time."""

RUNS = "md5-dos2unix"
"""The store of a remote under which DVC keeps the run-cache."""


def remote_name(root: Path) -> str:
    """Return the name of the project's default remote; empty where none is set."""
    with open_repository(root) as repo:
        return str(repo.config["core"].get("remote") or "")


def fetch_result(stage: str) -> str:
    """Bring what a stage would give into DVC's cache, and return where it was: a value of `FOUND`.

    The stage's needs must be up to date. DVC then restores its outputs as if it had run here.

    Raises:
        InputError: DVC cannot read the pipeline.
        Exception: The remote's own library, when it cannot be reached.
    """
    for library in ("dvc_data", "dvc_objects"):
        # They print a traceback for each file that a remote lacks.
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with open_repository(Path.cwd()) as repo:
        with repo.lock:
            loaded = repo.stage.load_one(name=stage)
            if not loaded.changed():
                return "here"
            recorded = _entry(loaded)
            loaded.save_deps()
            key = key_of_entry(_entry(loaded))
            at_hand = repo.stage_cache._load(loaded)
            if at_hand and repo.stage_cache._create_stage(at_hand).outs_cached():
                return "here"
        # From here on without the lock, which every other stage would have to wait for: objects are named by
        # their content, and an entry appears whole.
        store = repo.cloud.get_remote_odb(None, "fetch", hash_name=RUNS)
        found = _listed(store, store.fs.join(store.path, "runs", key[:2], key))
        in_lock = key_of_entry(recorded) == key and all(out.get("md5") for out in recorded["outs"])
        wanted = _value(recorded) if in_lock else min(found, default="")
        if wanted in found:
            return "fetched" if _take(repo, store.fs, found[wanted], key=key) else "nowhere"
        if not in_lock:
            return "nowhere"
        # Pushed by plain `dvc push`: what git holds lies in the work tree already.
        for objects in loaded.get_used_objs().values():
            repo.cloud.pull(objects)
        if not loaded.outs_cached():
            return "nowhere"
        with repo.lock:
            # What lies in the way would be removed before the stage runs, too.
            loaded.checkout(force=True)
            return "nowhere" if loaded.changed() else "fetched"


def fetch_inputs(stage: str) -> None:
    """Bring what a stage reads of other stages' outputs into the work tree, as dvc.lock has it.

    Raises:
        InputError: DVC cannot read the pipeline, or the remote lacks a part.
    """
    with open_repository(Path.cwd()) as repo:
        outputs = [Path(out.fs_path) for each in stages_of(repo) for out in each.outs]
        inputs = [dep for dep in repo.stage.load_one(name=stage).deps if dep.protocol == "local"]
        made = [
            dep.def_path
            for dep in inputs
            if any(Path(dep.fs_path) == out or out in Path(dep.fs_path).parents for out in outputs)
        ]
        if made:
            repo.pull(targets=made, force=True)


def share_result(stage: str) -> None:
    """Leave the result of a stage that is up to date in the remote, with its entry in the run-cache.

    Raises:
        InputError: DVC cannot read the pipeline, or the stage is not up to date.
        Exception: The remote's own library, when it cannot be reached.
    """
    from dvc.fs import generic

    with open_repository(Path.cwd()) as repo:
        with repo.lock:
            loaded = repo.stage.load_one(name=stage)
            if loaded.changed():
                raise InputError(
                    f"{stage} is not up to date, so it has no result to push; run `tritune run` first"
                )
            repo.stage_cache.save(loaded)
            entry = _entry(loaded)
        for objects in repo.stage_cache._create_stage(entry).get_used_objs().values():
            if failed := repo.cloud.push(objects).failed:
                raise OSError(f"the remote did not take {len(failed)} of {len(objects)} files")
        store = repo.cloud.get_remote_odb(None, "push", hash_name=RUNS)
        key, value = key_of_entry(entry), _value(entry)
        target = store.fs.join(store.path, "runs", key[:2], key, value)
        if not store.fs.exists(target):
            generic.copy(repo.cache.legacy.fs, repo.stage_cache._get_cache_path(key, value), store.fs, target)


def _listed(store: Any, folder: str) -> dict[str, str]:
    """Return name -> path of what a remote's folder holds.

    Raises:
        TimeoutError: It does not say within `SECONDS_TO_ANSWER`.
    """

    def look() -> None:
        try:
            paths = store.fs.find(folder) if store.fs.exists(folder) else ()
            named = {store.fs.name(path): path for path in paths}
            # A killed process may have left a half-written entry, and another one have pushed it.
            answer.set_result({name: path for name, path in named.items() if not name.startswith(".")})
        except Exception as error:  # whatever the remote's own library throws
            answer.set_exception(error)

    # A library's own waits add up to half an hour; no executor, for it would be waited for at the end.
    answer: Future[dict[str, str]] = Future()
    threading.Thread(target=look, daemon=True).start()
    try:
        return answer.result(SECONDS_TO_ANSWER)
    except TimeoutError:
        raise TimeoutError(f"no answer within {SECONDS_TO_ANSWER:.0f} seconds") from None


def _take(repo: Any, fs: Any, source: str, *, key: str) -> bool:
    """Copy an entry of the remote's run-cache, after all that it names; False: not all is there."""
    from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
    from dvc.utils.serialize import dump_yaml, load_yaml

    entry = COMPILED_LOCK_FILE_STAGE_SCHEMA(load_yaml(source, fs=fs))
    stage = repo.stage_cache._create_stage(entry)
    for objects in stage.get_used_objs().values():
        repo.cloud.pull(objects)
    if not stage.outs_cached():
        return False
    target = Path(repo.stage_cache._get_cache_path(key, fs.name(source)))
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    dump_yaml(str(aside), entry)
    aside.replace(target)
    return True


def _entry(stage: Any) -> dict[str, Any]:
    """Return a stage as dvc.lock would hold it."""
    from dvc.stage.serialize import to_single_stage_lockfile

    return dict(json.loads(json.dumps(to_single_stage_lockfile(stage))))


def _value(entry: Mapping[str, Any]) -> str:
    """Return DVC's name for an entry of the run-cache: a hash of inputs and outputs."""
    from dvc.stage.cache import _get_cache_hash

    return str(_get_cache_hash(dict(entry)))


def main() -> int:
    """Do what the arguments say; the last line printed says what went wrong. Return the exit code."""
    end_with_supervisor()
    verb, stage = sys.argv[1:]
    try:
        if verb == "fetch":
            where = fetch_result(stage)
            return next(code for code, name in FOUND.items() if name == where)
        {"inputs": fetch_inputs, "share": share_result}[verb](stage)
    except Exception as error:  # whatever the remote's own library throws
        print(told(error), flush=True)
        os._exit(1)  # a library's thread that still waits for a remote is not waited for
    return 0


def told(error: BaseException) -> str:
    """Return a remote's complaint in one line, without passwords."""
    text = " ".join(str(error).split()) or type(error).__name__
    return without_passwords(text)


if __name__ == "__main__":
    sys.exit(main())
