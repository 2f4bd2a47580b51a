"""Two weeks of nights in minutes: real commands on a fresh clone, and a page about what they decided.

    python -m benchmarks.two_weeks --data FOLDER --text text --label label_name

FOLDER holds labelled texts, a train and a test file; without it the demo's corpus is used, in many languages.
The rows come in day by day: quiet days, many new rows, wrong labels, a broken file, drift, a new class, worse
settings, kill -9, a rollback. What must hold after each command is checked (benchmarks/play.py), the first
thing that does not ends it with exit code 1. The log goes to docs/two_weeks.md, all numbers to the .json.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import nights
from benchmarks.fresh_clone import make_clone
from benchmarks.labelled_rows import Labelled, frequent_classes, rows_of_corpus, rows_of_folder
from benchmarks.play import Act, Broken, Night, Play, Scene, play
from tritune.errors import InputError

STORY: Sequence[Scene] = (
    nights.first,
    nights.quiet,
    nights.many_rows,
    nights.quiet,
    nights.wrong_labels,
    nights.wrong_labels_gone,
    nights.broken_file,
    nights.lost_class,
    nights.other_shares,
    nights.new_class,
    nights.worse_settings,
    nights.killed,
    nights.rolled_back,
    nights.looking_back,
)
SEED = 5
CLASSES = 20
"""At most; the next in frequency comes in on a later night."""

FEWEST_CLASSES = 6
"""Five to begin with, since new rows of three of them have to be a drift; and one that is new."""

LEAST_ROWS = 100
"""Training rows of a class: with fewer, the first night's rows may have none of it."""

FIRST_ROWS = 300
"""Training rows of the first night."""

TEST_ROWS = 800
"""At most: enough for `MARGIN`, and every night answers them."""

METHOD = "partial"
EPOCHS = 5
"""In three, a few hundred rows of many classes are too few steps: the first model would know only some."""

MARGIN = 0.02
"""`register.margin`: with a few hundred test rows, 0.01 could rarely be shown."""

WIDE_MARGIN = 0.25
"""`register.class_margin` and `calibration_margin`: a first model of few rows leans to frequent classes,
so that what is better overall is right less often for those, and surer of itself."""

MOST_LINES = 12
"""Of what a command said, on the page; the .json has all."""

RESULT = Path("docs/two_weeks")
STAGE_LINE = re.compile(r"^(\S+)  (Cached|Restored|Completed|Failed|Stopped|NotReady)\b")
DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


def main() -> int:
    options = arguments()
    began = time.monotonic()
    try:
        rows = (
            rows_of_folder(options.data, text=options.text, label=options.label)
            if options.data
            else rows_of_corpus()
        )
        with tempfile.TemporaryDirectory(prefix="tritune-nights-") as folder:
            clone = make_clone(Path(folder))
            nights.prepare_clone(clone, settings)
            project = cast(clone, *rows)
            told = play(STORY, project, tell=lambda line: print(line, flush=True))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Broken as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    content = {
        "data": options.data.resolve().name if options.data else "the demo's corpus",
        "seconds": time.monotonic() - began,
        "classes": len({label for _, label in project.train}) - 1,
        "margin": MARGIN,
        "wide_margin": WIDE_MARGIN,
        "nights": [as_json(night, folder=folder) for night in told],
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.with_suffix(".json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
    RESULT.with_suffix(".md").write_text(page(content), "utf-8")
    print(f"{RESULT}.md and {RESULT}.json are written")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with a train and a test file")
    parser.add_argument("--text", default="text", help="column of --data that holds the text")
    parser.add_argument("--label", default="label", help="column of --data that holds the label")
    return parser.parse_args()


def settings(params: dict[str, Any]) -> None:
    """Change params.yaml to the cheapest of the methods, at a rate that can be written down, and few rows."""
    params["methods"] = [METHOD]
    params["method"] = {METHOD: params["method"][METHOD]}
    params["method"][METHOD]["lr"] = 1e-3
    params["train"]["epochs"] = EPOCHS
    params["register"].update(margin=MARGIN, class_margin=WIDE_MARGIN, calibration_margin=WIDE_MARGIN)


def cast(clone: Any, train: Sequence[Labelled], test: Sequence[Labelled]) -> Play:
    """Return the project before its first night: frequent classes, and one more that is to come.

    Raises:
        InputError: There are too few rows or classes.
    """
    names = frequent_classes(train, at_least=LEAST_ROWS)
    if len(names) < FEWEST_CLASSES:
        raise InputError(
            f"--data: {len(names)} classes have {LEAST_ROWS} training rows or more, and {FEWEST_CLASSES} are "
            "needed; name a folder with more"
        )
    *frequent, newcomer = names[: CLASSES + 1]
    known = set(frequent)
    rows = nights.shuffled([row for row in train if row[1] in known], seed=SEED)
    return Play(
        clone,
        train=rows[:FIRST_ROWS],
        test=nights.shuffled([row for row in test if row[1] in known], seed=SEED)[:TEST_ROWS],
        reserve=rows[FIRST_ROWS:],
        newcomers=[row for row in train if row[1] == newcomer],
        newcomers_test=[row for row in test if row[1] == newcomer],
    )


def as_json(night: Night, *, folder: str) -> dict[str, Any]:
    """Return a night for the .json file, without dates and without where it was played."""
    decision = night.decision
    return {
        "title": night.title,
        "story": night.story,
        "training_rows": night.training_rows,
        "test_rows": night.test_rows,
        "champion": night.champion,
        "outcome": decision.outcome if decision else "",
        "reason": decision.reason.replace(folder, "...") if decision else "",
        "version": decision.version if decision else "",
        "details": json.loads(json.dumps(dict(decision.details)).replace(folder, "...")) if decision else {},
        "commands": [
            {
                "command": act.command,
                "exit_code": act.code,
                "seconds": act.seconds,
                "stages": stages(act),
                "said": own_lines(act, folder=folder),
            }
            for act in night.acts
        ],
    }


def stages(act: Act) -> dict[str, int]:
    """Return how many stages a command brought up to date, by how."""
    found = [match[2] for line in act.said.splitlines() if (match := STAGE_LINE.match(line))]
    return {state: found.count(state) for state in dict.fromkeys(found)}


def own_lines(act: Act, *, folder: str) -> list[str]:
    """Return what a command printed of its own, stages' lines left out, dates and folder replaced."""
    lines = [line for line in act.said.splitlines() if not STAGE_LINE.match(line) and " | " not in line]
    return [DATE.sub("(date)", line.replace(folder, "...")) for line in lines if line.strip()]


def page(content: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    told = content["nights"]
    quiet = [
        night["commands"][-1]["seconds"]
        for night in told
        if night["outcome"] == "nothing new" and len(night["commands"]) == 1
    ]
    lines = [
        "# Two weeks of nights",
        "",
        f"Played by `python -m benchmarks.two_weeks` on {content['data']}, "
        f"{content['classes']} classes and one more to come, in "
        f"{content['seconds'] / 60:.0f} minutes, and written by it. After every command it was checked that "
        "the user's files, branch and index were as before, that no process and nothing half done was left, "
        "that the exit code and the decision were those that the night calls for, and that the champion "
        f"followed from it. `register.margin` is {content['margin']:g}, the margins of a class and of the "
        f"calibration {content['wide_margin']:g}. A night with nothing new took "
        f"{min(quiet):.0f} to {max(quiet):.0f} seconds.",
        "",
        "| night | what happens | training rows | decision | champion after it | seconds |",
        "|---:|---|---:|---|---|---:|",
    ]
    for number, night in enumerate(told, start=1):
        seconds = sum(one["seconds"] for one in night["commands"])
        outcome = night["outcome"] or "none was due"
        lines.append(
            f"| {number} | {night['title']} | {night['training_rows']:,} | {outcome} | "
            f"{night['champion']} | {seconds:.0f} |"
        )
    for number, night in enumerate(told, start=1):
        lines += ["", f"## Night {number}: {lowered(night['title'])}", "", night["story"]]
        for one in night["commands"]:
            done = ", ".join(f"{count} {state}" for state, count in one["stages"].items())
            said, more = one["said"][:MOST_LINES], len(one["said"]) - MOST_LINES
            said += [f"... and {more} lines more"] if more > 0 else []
            lines += ["", "```", f"$ {one['command']}", *said, "```", ""]
            ended = f"Exit code {one['exit_code']} after {one['seconds']:.0f} s"
            lines.append(f"{ended}; stages: {done}." if done else f"{ended}.")
        if gate := night["details"].get("gate"):
            lines += ["", numbers(gate)]
    return "\n".join(lines) + "\n"


def numbers(gate: dict[str, Any]) -> str:
    """Return what the gate compared, in a sentence."""
    if "rows" not in gate:
        return f"The gate: the challenger knew {gate['texts_known']} of the champion's test texts."
    errors = gate["calibration_error"]
    return (
        f"The gate, on {gate['rows']} test rows of the champion: {gate['score']} {gate['challenger']:.4f} "
        f"against {gate['champion']:.4f}; p of being worse by {gate['margin']:g} or more "
        f"{gate['p_worse_beyond_margin']:.4f}; calibration error {errors['challenger']:.3f} against "
        f"{errors['champion']:.3f}; smallest adjusted p of a class being worse "
        f"{min(one['p'] for one in gate['classes'].values()):.3f}."
    )


def lowered(title: str) -> str:
    return title[0].lower() + title[1:]


if __name__ == "__main__":
    sys.exit(main())
