"""`python -m tasks STAGE [--method M] [--size N] [--seed S]`: the command of every stage in dvc.yaml."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage in this process and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tasks", description="Run one stage of dvc.yaml; DVC and `tritune run` call this."
    )
    parser.add_argument("stage", choices=_stages(), metavar="STAGE", help=f"one of {', '.join(_stages())}")
    parser.add_argument("--method", metavar="NAME", help="a key of `method` in params.yaml")
    parser.add_argument("--size", metavar="N", help="training examples, or `all`")
    parser.add_argument("--seed", metavar="N", help="one of `seeds` in params.yaml")
    given = parser.parse_args(arguments)
    item = {key: value for key in ("method", "size", "seed") if (value := getattr(given, key)) is not None}
    folder, _, kind = given.stage.rpartition("/")
    pipeline = f"{folder}/dvc.yaml" if folder else "dvc.yaml"
    name = "@".join(filter(None, [kind, "-".join(item.values())]))
    address = f"{pipeline}:{name}" if folder else name
    if address != os.environ.get("DVC_STAGE", address):
        print(f"error: DVC calls this stage {os.environ['DVC_STAGE']}, its cmd {address}", file=sys.stderr)
        return 2
    try:
        from tritune.pipeline.guard import run_stage
    except ModuleNotFoundError as error:
        return _not_installed(error)

    def load_body() -> Any:
        from tritune.errors import InputError
        from tritune.settings.project import read_project

        # Plain DVC does not check params.yaml; its problems are told in the same words as by `tritune run`.
        read_project(Path("params.yaml"))
        try:
            return import_module(f"tasks.{given.stage.replace('/', '.')}").run
        except ModuleNotFoundError as error:
            if _is_ours(error):
                raise
            raise InputError(_missing(error)) from None

    try:
        return run_stage(name, item=item, load_body=load_body, pipeline=pipeline)
    except KeyboardInterrupt:
        return 130


def _stages() -> list[str]:
    """Return every stage's name; that of a pipeline in a folder has the folder before it."""
    here = Path(__file__).parent
    files = [*here.glob("[a-z]*.py"), *here.glob("[a-z]*/[a-z]*.py")]
    return sorted(str(file.relative_to(here).with_suffix("")) for file in files)


def _not_installed(error: ModuleNotFoundError) -> int:
    if _is_ours(error):
        raise error
    print(f"error: {_missing(error)}", file=sys.stderr)
    return 2


def _is_ours(error: ModuleNotFoundError) -> bool:
    return (error.name or "").partition(".")[0] in {"tasks", "tritune"}


def _missing(error: ModuleNotFoundError) -> str:
    return (
        f"{error.name} is not installed for {sys.executable}; activate the project's environment "
        "(source .venv/bin/activate) and try again, or use .venv/bin/tritune run"
    )


if __name__ == "__main__":
    sys.exit(main())
