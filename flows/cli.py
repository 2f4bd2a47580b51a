"""The `tritune` command: what a person types, and the exit code that scripts rely on.

Exit codes: 0 done; 2 the user's input is wrong (one message, no traceback); 1 anything else.
Each command's code is imported when it runs, so that a quick answer loads nothing slow.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

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
    except Exception:
        traceback.print_exc()
        return 1
    return code or 0


def project_root(start: Path) -> Path:
    """Return the nearest folder at or above `start` that holds dvc.yaml and params.yaml.

    Raises:
        InputError: There is none, or the nearest that holds one of them lacks the other.
    """
    names = ("dvc.yaml", "params.yaml")
    for folder in (start, *start.parents):
        missing = [name for name in names if not (folder / name).is_file()]
        if not missing:
            return folder
        if len(missing) == 1:
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

    code: int = run(report=given.report)
    return code


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
    source = given.input and given.input.resolve()
    target = given.output and given.output.resolve()
    folder = _model_folder(given.model)
    from flows.predict import predict

    predict(
        model=folder,
        source=source,
        target=target,
        format=given.format,
        columns=_columns(given),
        batch_size=given.batch_size,
        everything=given.all,
    )


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


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; a parsed namespace has the function to call as `command`."""
    parser = argparse.ArgumentParser(
        prog="tritune",
        description="Fine-tune a pretrained transformer in three ways on your own labelled text, and see "
        "with evidence which one to ship. What is trained, on what and how stands in params.yaml.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(
        name: str, does: str, example: str, run: Callable[[argparse.Namespace], int | None]
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.",
            epilog=f"example:\n{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(command=run)
        return command

    run = add(
        "run",
        "bring every stage up to date, compare the methods and register the model to ship",
        "  tritune run",
        _run,
    )
    run.add_argument(
        "--report", action="store_true", help="show the run in the Prefect UI even if nothing is stale"
    )

    add(
        "retrain",
        "fetch the data as they are now, train on them if they changed, and let the gate decide",
        "  tritune retrain",
        _retrain,
    )

    served = add(
        "serve",
        "retrain by a schedule on this machine, one retraining at a time, until Ctrl-C",
        '  tritune serve --cron "0 3 * * *"',
        _serve,
    )
    served.add_argument(
        "--cron", required=True, metavar="SCHEDULE", help="minute hour day month weekday, in local time"
    )
    served.add_argument(
        "--port", type=int, default=4200, metavar="N", help="of the UI; a free one is taken if it is in use"
    )

    use = add(
        "use",
        "make a ready configuration from configs/ the project's params.yaml",
        "  tritune use demo_dialogue",
        _use,
    )
    use.add_argument("name", metavar="NAME", help="of a file in configs/, without .yaml")

    plan = add(
        "plan",
        "show what each method would train, at which rate, without training",
        "  tritune plan --method partial",
        _plan,
    )
    estimate = add(
        "estimate",
        "foretell time and memory of each method's training, by a few of its steps",
        "  tritune estimate --method full",
        _estimate,
    )
    for of_methods in (plan, estimate):
        of_methods.add_argument(
            "--method",
            action="append",
            metavar="NAME",
            help="a name from params.yaml; repeat for several (default: all)",
        )

    add("status", "show which stages are up to date, and why the others are not", "  tritune status", _status)
    add(
        "registry",
        "list the registered versions with their scores and stages",
        "  tritune registry",
        _registry,
    )

    promote = add(
        "promote",
        "make a registered version the champion, if it is not worse on the same test set",
        "  tritune promote v0.0.2",
        _promote,
    )
    promote.add_argument("version", metavar="VERSION", help="as `tritune registry` lists it")
    promote.add_argument("--force", action="store_true", help="promote even if the gate says no")

    add(
        "rollback", "give the champion's place back to the version before it", "  tritune rollback", _rollback
    )

    verify = add(
        "verify",
        "make a registered version again from its tag, and say whether it comes out the same",
        "  tritune verify v0.0.1",
        _verify,
    )
    verify.add_argument("version", metavar="VERSION", help="as `tritune registry` lists it, or a stage")

    origin = add(
        "lineage",
        "show what a registered version was made from, back to data and base model",
        "  tritune lineage v0.0.1",
        _lineage,
    )
    origin.add_argument(
        "version", metavar="VERSION", nargs="?", help="as `tritune registry` lists it (default: the champion)"
    )
    origin.add_argument("--json", action="store_true", help="all of it, with every hash, as JSON")

    prune = add(
        "prune",
        "show what the project holds that nothing needs any more, and remove it by --yes",
        "  tritune prune",
        _prune,
    )
    prune.add_argument("--yes", action="store_true", help="remove it (default: only say what can go)")

    doctor = add(
        "doctor",
        "check what is installed, git, DVC's cache and remote, disk and server, and say what to do",
        "  tritune doctor",
        _doctor,
    )
    doctor.add_argument(
        "--full", action="store_true", help="read all of DVC's cache and check its hashes too"
    )

    predict = add(
        "predict",
        "answer new inputs with a fine-tuned model: labels, entities, answers or replies",
        "  tritune predict --model champion --input new.csv --text question --output labels.csv\n"
        '  echo "Where is my card?" | tritune predict',
        _predict,
    )
    predict.add_argument("--output", type=Path, metavar="FILE", help="jsonl or csv (default: stdout)")
    predict.add_argument(
        "--format", choices=["jsonl", "csv"], help="of the output (default: by its name, else jsonl)"
    )
    predict.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="inputs at a time (default: 32)"
    )
    predict.add_argument(
        "--all", action="store_true", help="all there is to an answer, such as every label's probability"
    )

    explain = add(
        "explain",
        "show which words moved a fine-tuned model's answer, and how far that can be trusted",
        '  tritune explain "My card has not arrived"\n'
        "  tritune explain --input new.csv --text question --output reasons.jsonl",
        _explain,
    )
    explain.add_argument("TEXT", nargs="?", help="the text to explain (default: --input, else stdin)")
    explain.add_argument(
        "--output", type=Path, metavar="FILE", help="jsonl, with every word's number (default: for a person)"
    )
    explain.add_argument(
        "--attention",
        action="store_true",
        help="add where an encoder's attention lies, which is no explanation",
    )
    for of_models in (predict, explain):
        of_models.add_argument(
            "--model",
            metavar="MODEL",
            help="a folder, a version (v0.0.1) or a stage (champion) of the registry "
            "(default: models/selected)",
        )
        of_models.add_argument(
            "--input",
            type=Path,
            metavar="FILE",
            help="csv, tsv, jsonl, parquet or txt (default: one text a line from stdin)",
        )
        of_models.add_argument(
            "--text",
            metavar="COLUMN",
            help="column with the text (default: text); as --column text=COLUMN",
        )
        of_models.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="NAME=COLUMN",
            help="where the input calls what the model reads otherwise, such as question=q; "
            "repeat for several",
        )

    talk = add(
        "chat",
        "talk with a fine-tuned dialogue model",
        "  tritune chat --model champion\n  echo Hello | tritune chat",
        _chat,
    )
    talk.add_argument(
        "--model",
        metavar="MODEL",
        help="a folder, a version (v0.0.1) or a stage (champion) of the registry (default: models/selected)",
    )
    talk.add_argument("--system", metavar="TEXT", help="the system's turn, before all others (default: none)")

    ui = add(
        "ui",
        "start the Prefect UI on this machine and say where; earlier runs are there too",
        "  tritune ui",
        _ui,
    )
    ui.add_argument("--port", type=int, default=4200, metavar="N", help="a free one is taken if it is in use")
    return parser
