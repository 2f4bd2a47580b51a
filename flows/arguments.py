"""What a person may type: every command of `tritune` with its arguments, and what its help says."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

Command = Callable[[argparse.Namespace], int | None]
"""What a command does with its arguments; it returns the exit code, None for 0."""


def parser_of(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Return the parser of all commands; a parsed namespace has the function to call as `command`.

    Args:
        commands: Name -> the function to call.
    """
    parser = argparse.ArgumentParser(
        prog="tritune",
        description="Fine-tune a pretrained transformer in three ways on your own labelled text, and see "
        "with evidence which one to ship. What is trained, on what and how stands in params.yaml.",
    )
    listed = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, does: str, example: str) -> argparse.ArgumentParser:
        command = listed.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.",
            epilog=f"example:\n{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(command=commands[name])
        return command

    run = add(
        "run",
        "bring every stage up to date, compare the methods and register the model to ship",
        "  tritune run",
    )
    run.add_argument(
        "--report", action="store_true", help="show the run in the Prefect UI even if nothing is stale"
    )
    run.add_argument(
        "--pool",
        default="",
        metavar="NAME",
        help="have the workers of this Prefect work pool train (default: this machine trains)",
    )
    run.add_argument(
        "--push", action="store_true", help="leave every stage's result in DVC's remote, for other clones"
    )

    work = add(
        "work",
        "take trainings of other machines' runs from a Prefect work pool, until Ctrl-C",
        "  tritune work --pool gpus",
    )
    work.add_argument("--pool", required=True, metavar="NAME", help="as in tritune run --pool NAME")

    add(
        "retrain",
        "fetch the data as they are now, train on them if they changed, and let the gate decide",
        "  tritune retrain",
    )

    served = add(
        "serve",
        "retrain by a schedule on this machine, one retraining at a time, until Ctrl-C",
        '  tritune serve --cron "0 3 * * *"',
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
    )
    use.add_argument("name", metavar="NAME", help="of a file in configs/, without .yaml")

    plan = add(
        "plan",
        "show what each method would train, at which rate, without training",
        "  tritune plan --method partial",
    )
    estimate = add(
        "estimate",
        "foretell time and memory of each method's training, by a few of its steps",
        "  tritune estimate --method full",
    )
    for of_methods in (plan, estimate):
        of_methods.add_argument(
            "--method",
            action="append",
            metavar="NAME",
            help="a name from params.yaml; repeat for several (default: all)",
        )

    advise = add(
        "advise",
        "draw the methods' learning curves: how many labels each needs, and what more would bring",
        "  tritune advise --budget 60m --sizes 300,1000,all",
    )
    advise.add_argument(
        "--budget", default="60m", metavar="TIME", help="for all of it: 45m, 2h, 1h30m (default: 60m)"
    )
    advise.add_argument(
        "--sizes",
        default="300,1000,all",
        metavar="LIST",
        help="training examples, with commas (default: 300,1000,all)",
    )
    advise.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="of each size, at most (default: 5)"
    )

    remedy = add(
        "remedy",
        "rank what to try against a method's overfitting, as entries for params.yaml",
        "  tritune remedy full --try",
    )
    remedy.add_argument("name", metavar="METHOD", help="a name from params.yaml")
    remedy.add_argument(
        "--try",
        action="store_true",
        dest="tries",
        help="train them in a folder aside, from the same seeds, and compare them with the method",
    )

    add(
        "status",
        "show which stages are up to date, and why the others are not",
        "  tritune status",
    )
    add(
        "registry",
        "list the registered versions with their scores and stages",
        "  tritune registry",
    )

    promote = add(
        "promote",
        "make a registered version the champion, if the gate lets it in",
        "  tritune promote v0.0.2",
    )
    promote.add_argument("version", metavar="VERSION", help="as `tritune registry` lists it")
    promote.add_argument("--force", action="store_true", help="promote even if the gate says no")

    add(
        "rollback",
        "give the champion's place back to the version before it",
        "  tritune rollback",
    )

    verify = add(
        "verify",
        "make a registered version again from its tag, and say whether it comes out the same",
        "  tritune verify v0.0.1",
    )
    verify.add_argument("version", metavar="VERSION", help="as `tritune registry` lists it, or a stage")

    origin = add(
        "lineage",
        "show what a registered version was made from, back to data and base model, and what it predicted",
        "  tritune lineage v0.0.1",
    )
    origin.add_argument(
        "version", metavar="VERSION", nargs="?", help="as `tritune registry` lists it (default: the champion)"
    )
    origin.add_argument("--json", action="store_true", help="all of it, with every hash, as JSON")

    prune = add(
        "prune",
        "show what the project holds that nothing needs any more, and remove it by --yes",
        "  tritune prune",
    )
    prune.add_argument("--yes", action="store_true", help="remove it (default: only say what can go)")

    doctor = add(
        "doctor",
        "check what is installed, git, DVC's cache and remote, disk and server, and say what to do",
        "  tritune doctor",
    )
    doctor.add_argument(
        "--full", action="store_true", help="read all of DVC's cache and check its hashes too"
    )

    predict = add(
        "predict",
        "answer new inputs with a fine-tuned model: labels, entities, answers or replies",
        "  tritune predict --model champion --input new.csv --text question --output labels.csv\n"
        '  echo "Where is my card?" | tritune predict',
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
    talk = add(
        "chat",
        "talk with a fine-tuned dialogue model",
        "  tritune chat --model champion\n  echo Hello | tritune chat",
    )
    for asking in (predict, explain, talk):
        asking.add_argument(
            "--model",
            metavar="MODEL",
            help="a folder, a version (v0.0.1) or a stage (champion) of the registry "
            "(default: models/selected)",
        )
    for of_rows in (predict, explain):
        of_rows.add_argument(
            "--input",
            type=Path,
            metavar="FILE",
            help="csv, tsv, jsonl, parquet or txt (default: one text a line from stdin)",
        )
        of_rows.add_argument(
            "--text",
            metavar="COLUMN",
            help="column with the text (default: text); as --column text=COLUMN",
        )
        of_rows.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="NAME=COLUMN",
            help="where the input calls what the model reads otherwise, such as question=q; "
            "repeat for several",
        )

    talk.add_argument("--system", metavar="TEXT", help="the system's turn, before all others (default: none)")

    ui = add(
        "ui",
        "start the Prefect UI on this machine and say where; earlier runs are there too",
        "  tritune ui",
    )
    ui.add_argument("--port", type=int, default=4200, metavar="N", help="a free one is taken if it is in use")
    return parser
