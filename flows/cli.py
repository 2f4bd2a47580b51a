"""The `tritune` command: what a person types, and the exit code that scripts rely on.

Exit codes: 0 done; 2 the user's input is wrong (one message, no traceback); 1 anything else.
Each command's code is imported when it runs, so that a quick answer loads nothing slow.
"""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.arguments import Command, parser_of
from tritune.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = command_parser().parse_args(arguments)
    try:
        code: int | None = given.command(given)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output went away (`| head`); Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        from tritune.pipeline.disk import full_disk, no_space

        if full_disk(error):
            print(f"error: {no_space(Path.cwd())}", file=sys.stderr)
            return 2
        traceback.print_exc()
        return 1
    return code or 0


def project_root(start: Path) -> Path:
    """Return the nearest folder at or above `start` that holds dvc.yaml and params.yaml.

    A folder of a project that holds a pipeline of its own, dvc.yaml alone, is passed over.

    Raises:
        InputError: There is none, or the nearest that holds one of them lacks the other.
    """
    names = ("dvc.yaml", "params.yaml")
    for folder in (start, *start.parents):
        missing = [name for name in names if not (folder / name).is_file()]
        if not missing:
            return folder
        inside = any(all((above / name).is_file() for name in names) for above in folder.parents)
        if len(missing) == 1 and not (inside and missing == ["params.yaml"]):
            raise InputError(
                f"{missing[0]}: no such file in {folder}; take the committed one with "
                f"`git checkout {missing[0]}`, or change to your clone of the project"
            )
    raise InputError(
        f"{start} is not inside a tritune project: no folder from here up has dvc.yaml and params.yaml; "
        "change to your clone of the project and try again"
    )


def _enter_project() -> None:
    os.chdir(project_root(Path.cwd()))


def _run(given: argparse.Namespace) -> int:
    _enter_project()
    from flows.run import run

    code: int = run(report=given.report, pool=given.pool, push=given.push)
    return code


def _work(given: argparse.Namespace) -> None:
    _enter_project()
    from flows.worker import work

    work(pool=given.pool)


def _retrain(_: argparse.Namespace) -> int:
    _enter_project()
    from flows.night import retrain_now

    code: int = retrain_now()
    return code


def _serve(given: argparse.Namespace) -> int:
    _enter_project()
    from flows.serve import serve

    code: int = serve(cron=given.cron, port=given.port)
    return code


def _use(given: argparse.Namespace) -> None:
    _enter_project()
    from flows.configuration import use

    print(use(given.name, root=Path.cwd()))


def _plan(given: argparse.Namespace) -> None:
    _enter_project()
    from flows.plan import plan

    plan(given.method or None)


def _estimate(given: argparse.Namespace) -> None:
    _enter_project()
    from flows.estimate import estimate

    estimate(given.method or None)


def _advise(given: argparse.Namespace) -> int:
    _enter_project()
    from flows.advise import advise

    # `kill` ends it as Ctrl-C does: with a report on what there is, and only that in the pipeline.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code: int = advise(budget=given.budget, sizes=given.sizes, seeds=given.seeds)
    return code


def _remedy(given: argparse.Namespace) -> int:
    _enter_project()
    from flows.remedy import remedy

    code: int = remedy(given.name, tries=given.tries)
    return code


def _status(_: argparse.Namespace) -> None:
    _enter_project()
    from flows.status import status

    status()


def _registry(_: argparse.Namespace) -> None:
    _enter_project()
    from flows.registry import show

    show()


def _promote(given: argparse.Namespace) -> None:
    _enter_project()
    from flows.registry import promote

    promote(given.version, force=given.force)


def _rollback(_: argparse.Namespace) -> None:
    _enter_project()
    from flows.registry import rollback

    rollback()


def _verify(given: argparse.Namespace) -> int:
    _enter_project()
    from flows.verify import verify

    code: int = verify(given.version)
    return code


def _lineage(given: argparse.Namespace) -> None:
    _enter_project()
    from flows.lineage import show

    show(given.version, as_json=given.json)


def _prune(given: argparse.Namespace) -> None:
    _enter_project()
    from flows.prune import prune

    prune(yes=given.yes)


def _doctor(given: argparse.Namespace) -> int:
    _enter_project()
    from flows.doctor import doctor

    code: int = doctor(full=given.full)
    return code


def _predict(given: argparse.Namespace) -> None:
    from flows import predicted
    from flows.predict import predict

    source = given.input and given.input.resolve()
    target = given.output and given.output.resolve()
    answering = None
    if target is not None and not (given.model and Path(given.model).is_dir()):
        _enter_project()
        # Before it answers: a night may give the stage to another version meanwhile.
        answering = predicted.answering_version(Path.cwd(), given.model, source=source)
    rows = predict(
        model=_model_folder(answering.version if answering and given.model else given.model),
        source=source,
        target=target,
        format=given.format,
        columns=_columns(given),
        batch_size=given.batch_size,
        everything=given.all,
    )
    if target is not None and answering is not None:
        predicted.remember(Path.cwd(), answering, target=target, rows=rows)


def _explain(given: argparse.Namespace) -> None:
    source = given.input and given.input.resolve()
    target = given.output and given.output.resolve()
    folder = _model_folder(given.model)
    from flows.explain import explain

    explain(
        text=given.TEXT,
        model=folder,
        source=source,
        target=target,
        columns=_columns(given),
        attention=given.attention,
    )


def _chat(given: argparse.Namespace) -> None:
    folder = _model_folder(given.model)
    from flows.chat import chat

    chat(model=folder, system=given.system)


def _model_folder(model: str | None) -> Path:
    """Return the folder of a model by its name; the project's own one without a name."""
    if model is not None and Path(model).is_dir():
        return Path(model)
    _enter_project()
    if model is None:
        return Path("models/selected")
    from tritune.pipeline.registry import materialise

    return materialise(Path.cwd(), model)


def _columns(given: argparse.Namespace) -> dict[str, str]:
    """Return which column holds which of the model's inputs, as far as the user said so."""
    named = {"text": given.text} if given.text is not None else {}
    for pair in given.column:
        name, mark, column = pair.partition("=")
        if not (name and mark and column):
            raise InputError(f"--column {pair}: write it NAME=COLUMN, for example --column question=q")
        named[name] = column
    return named


def _ui(given: argparse.Namespace) -> int:
    _enter_project()
    from flows.ui import ui

    code: int = ui(port=given.port)
    return code


COMMANDS: Mapping[str, Command] = {
    "run": _run,
    "work": _work,
    "retrain": _retrain,
    "serve": _serve,
    "use": _use,
    "plan": _plan,
    "estimate": _estimate,
    "advise": _advise,
    "remedy": _remedy,
    "status": _status,
    "registry": _registry,
    "promote": _promote,
    "rollback": _rollback,
    "verify": _verify,
    "lineage": _lineage,
    "prune": _prune,
    "doctor": _doctor,
    "predict": _predict,
    "explain": _explain,
    "chat": _chat,
    "ui": _ui,
}


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; a parsed namespace has the function to call as `command`."""
    return parser_of(COMMANDS)
