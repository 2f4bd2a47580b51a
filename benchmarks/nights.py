"""What may happen to a project in a night: each a function, its docstring the story, its body what is done.

`play` says what must hold after every command; a night says which decision it has to end in.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.fresh_clone import Clone
from benchmarks.labelled_rows import Labelled
from benchmarks.play import FOLDER, Play, must


def first(project: Play) -> None:
    """The first night. There is a folder with rows, and no model yet."""
    project.put(project.train)
    project.retrain("promoted")


def quiet(project: Play) -> None:
    """A quiet night. Nobody has touched anything."""
    project.retrain("nothing new")


def many_rows(project: Play) -> None:
    """Many new rows. As many again as there were, twice: what is trained on them should be better."""
    project.put([*project.train, *project.take(2 * len(project.train))])
    decision = project.retrain("promoted")
    must("no drift" in decision.reason, f"rows of the same source are no drift: {decision.reason}")


def wrong_labels(project: Play) -> None:
    """Rows with wrong labels. As many again come in, the rows of each class under the name of another."""
    rows = project.reserve[: len(project.train)]  # they stay in reserve: they will come in as they should be
    names = sorted({label for _, label in project.train})
    other = dict(zip(names, [*names[1:], names[0]], strict=True))
    project.put([*project.train, *((text, other[label]) for text, label in rows)])
    project.retrain("kept out")


def wrong_labels_gone(project: Play) -> None:
    """The wrong rows are taken out again. What is left is what the champion was trained on."""
    project.put(project.train[: len(project.train) // 2])
    project.retrain("nothing new")


def broken_file(project: Play) -> None:
    """A broken file. The export stopped in the middle of a row, inside quotes."""
    path = project.clone.folder / FOLDER / "train.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b'\n"The export stopped he')
    project.retrain("failed")
    path.write_bytes(whole)


def lost_class(project: Play) -> None:
    """A class is lost. The file can be read, but all rows of one class are gone, as by a failed join."""
    whole = project.train, project.test
    lost = min(label for _, label in project.train)
    project.put(*([row for row in rows if row[1] != lost] for rows in whole))
    decision = project.retrain("failed")
    must("look broken" in decision.reason, f"it did not notice the lost class: {decision.reason}")
    project.put(*whole)


def other_shares(project: Play) -> None:
    """A day with drift. The file is whole again, and new rows come in, all of them of three classes."""
    common = sorted({label for _, label in project.train})[:3]
    count = len(project.train) // 6
    project.put([*project.train, *project.take(count, labels=common)])
    decision = project.retrain("promoted", "kept out")
    must("drift in labels" in decision.reason, f"it did not notice: {decision.reason}")


def new_class(project: Play) -> None:
    """A class that is new. Rows of it are in the training file and in the test file from now on."""
    (name,) = {label for _, label in project.newcomers}
    project.put([*project.train, *project.newcomers], [*project.test, *project.newcomers_test])
    decision = project.retrain("promoted", "kept out")
    must(f"new classes: {name}" in decision.reason, f"it did not notice: {decision.reason}")


def worse_settings(project: Play) -> None:
    """Worse settings. Somebody divides the learning rates in params.yaml by a hundred."""
    path = project.clone.folder / "params.yaml"
    good = path.read_bytes()
    project.clone.set_params(_slower)
    project.retrain("kept out")
    path.write_bytes(good)


def killed(project: Play) -> None:
    """A kill in the night. The settings are back, rows come in, SIGKILL hits the training; then once more."""
    project.put([*project.train, *project.take(len(project.train) // 2)])
    project.retrain_killed(when=project.trains_or_has_trained)
    project.retrain("promoted", "kept out")


def rolled_back(project: Play) -> None:
    """A rollback. A person takes the last promotion back; the night after leaves it so."""
    last = project.champion
    project.command("rollback")
    must(project.champion not in ("", last), f"the champion is still {project.champion}")
    decision = project.retrain("nothing new")
    must("judged before" in decision.reason, f"it judged again: {decision.reason}")


def looking_back(project: Play) -> None:
    """Looking back. What there is, where it comes from, what could go, and the first version made again."""
    for asked in (("registry",), ("lineage", "v0.0.1"), ("prune",)):
        project.command(*asked)
    said = project.command("verify", "v0.0.1")
    must("v0.0.1 is bit-identical" in said, f"it does not come out the same:\n{said}")


def prepare_clone(clone: Clone, change: Callable[[dict[str, Any]], object]) -> None:
    """Have a clone's params.yaml name the user's folder, and change what else is to be another."""

    def settings(params: dict[str, Any]) -> None:
        params["data"].update(source=FOLDER, text="text", label="label", min_rows_per_class=2)
        change(params)

    clone.set_params(settings)


def shuffled(rows: Sequence[Labelled], *, seed: int) -> list[Labelled]:
    """Return the rows in another order, the same for the same seed."""
    return random.Random(seed).sample(list(rows), len(rows))


def _slower(params: dict[str, Any]) -> None:
    for method in params["method"].values():
        method["lr"] = float(f"{method['lr'] / 100:.6g}")
