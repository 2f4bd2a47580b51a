"""Tables of training against transformers' Trainer: medians of each case, and the ratios within repeats."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

NAMES = {
    "tritune": "this project",
    "trainer": "Trainer, defaults",
    "trainer_at_best": "Trainer at its best",
}
COSTS = {
    "seconds": "training seconds",
    "seconds_with_setup": "seconds with set-up",
    "peak_memory_bytes": "peak memory",
}
NEEDS = "operations"
"""What a training needs of matrix products."""

SCORES = {"accuracy": "test accuracy", "macro_f1": "test macro F1"}
FIGURES = (*COSTS, *SCORES, "tokens_per_second", "peak_share")


def method_summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of each contender in one case, and the ratios of the others to us."""
    of = {
        name: sorted((run for run in runs if run["name"] == name), key=lambda run: run["repeat"])
        for name in NAMES
    }
    ratios = {
        name: {
            key: [b[key] / a[key] for a, b in zip(of["tritune"], of[name], strict=True)]
            for key in (*COSTS, NEEDS)
        }
        for name in NAMES
        if name != "tritune"
    }
    return {
        "median": {
            name: {key: statistics.median(run[key] for run in runs_of) for key in FIGURES}
            for name, runs_of in of.items()
        },
        "over_tritune": {
            name: {
                key: {"median": statistics.median(values), "min": min(values), "max": max(values)}
                for key, values in costs.items()
            }
            for name, costs in ratios.items()
        },
    }


def markdown(report: Mapping[str, Any]) -> str:
    """Return the page for people.

    Args:
        report: `conditions`, `trainings` and `cases` as benchmarks/versus_trainer.py makes them.
    """
    conditions = report["conditions"]
    work = conditions["work"]
    repeats = {name: _repeats(report, name) for name in report["cases"]}
    lines = [
        "# Training against transformers' Trainer",
        "",
        f"Texts: {conditions['data']}. Batches of {work['batch_size']}, {work['threads']} "
        f"{'thread' if work['threads'] == 1 else 'threads'}; {conditions['machine']}; "
        f"{', '.join(f'{name} {value}' for name, value in sorted(conditions['versions'].items()))}. "
        f"Ours computes in {conditions['precision']}, as Trainer does at its best, where it also makes "
        "batches of rows of similar length; its defaults are fp32 and rows in random order. Trainings take "
        "turns in changing order; medians of the repeats, and of the ratios within each, with the least and "
        "the greatest. Memory is what is not mapped from files, above the level after the imports; on a GPU, "
        "what torch had there. The share of the peak is what a training needs of the matrix products "
        "(of whole layers, though ours runs most of the top one for the tokens that are read alone; "
        "padding not counted) by what the machine reached in "
        f"{conditions['precision']} just before. Our model is the best epoch's, "
        "Trainer's the last epoch's. Made by `make bench`.",
        "",
        "| case | by | training, s | times ours (min - max) | with set-up, s | tokens/s | of the peak "
        "| memory, MiB | times ours (min - max) | test accuracy | test macro F1 |",
        f"|{'---|' * 11}",
    ]
    for name, content in report["cases"].items():
        title = title_of(report, name, repeats[name])
        for contender, median in content["median"].items():
            ratio = content["over_tritune"].get(contender)
            cells = [
                title,
                NAMES[contender],
                f"{median['seconds']:.1f}",
                _spread(ratio["seconds"]) if ratio else "",
                f"{median['seconds_with_setup']:.1f}",
                f"{median['tokens_per_second']:,.0f}",
                f"{median['peak_share']:.0%}",
                f"{median['peak_memory_bytes'] / 2**20:.0f}",
                _spread(ratio["peak_memory_bytes"]) if ratio else "",
                f"{median['accuracy']:.3f}",
                f"{median['macro_f1']:.3f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
            title = ""
    profile = "Where the time of our steps goes: [benchmarks/step_profile.md](benchmarks/step_profile.md)."
    return "\n".join([*lines, "", verdict(report), *limits(report), "", profile]) + "\n"


def limits(report: Mapping[str, Any]) -> list[str]:
    """Return a paragraph on what frozen layers can save at most; nothing where no case has any."""
    saved = {
        name: content["over_tritune"]["trainer_at_best"][NEEDS]["median"]
        for name, content in report["cases"].items()
    }
    told = [f"{name} {times:.2f} times ours" for name, times in saved.items() if times > 1]
    if not told:
        return []
    return [
        "",
        "Frozen layers run once with us and in each epoch with Trainer, which therefore needs more matrix "
        f"products: in {', '.join(told)} (whole layers counted). What is above that comes from the top "
        "layer, of which ours runs most for the tokens that are read alone, and from how the rest is done.",
    ]


def title_of(report: Mapping[str, Any], name: str, repeats: int) -> str:
    """Return what was trained, in a few words."""
    case = report["conditions"]["cases"][name]
    rows = next(run["rows"] for run in report["trainings"] if run["case"] == name)
    return (
        f"{case['title']}; {rows:,} {case['texts']} texts, {case['epochs']} epochs, "
        f"{repeats} {'repeat' if repeats == 1 else 'repeats'}"
    )


def _repeats(report: Mapping[str, Any], name: str) -> int:
    return sum(run["case"] == name and run["name"] == "tritune" for run in report["trainings"])


def _spread(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} - {ratio['max']:.2f})"


def verdict(report: Mapping[str, Any]) -> str:
    """Return one sentence that names every figure in which the median of ours is the worse one."""
    behind = []
    for case, content in report["cases"].items():
        ours = content["median"]["tritune"]
        for name, ratios in content["over_tritune"].items():
            theirs = content["median"][name]
            behind += [
                f"{case}: {title} ({NAMES[name]} takes {ratios[key]['median']:.2f} of ours)"
                for key, title in COSTS.items()
                if ratios[key]["median"] < 1
            ]
            behind += [
                f"{case}: {title} ({ours[key]:.3f} against {theirs[key]:.3f} of {NAMES[name]})"
                for key, title in SCORES.items()
                if ours[key] < theirs[key]
            ]
    if not behind:
        return "This project is behind Trainer in none of these figures."
    return f"This project is behind Trainer in {'; '.join(behind)}."
