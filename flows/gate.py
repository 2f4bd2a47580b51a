"""The gate: champion and challenger on the champion's test rows, which stay the same as the data grow."""

import filecmp
import json
from pathlib import Path

from flows.exam import PREDICTIONS, sit_exam
from tritune.data.rows import text_key
from tritune.drift.ingested import Ingested, read_ingested
from tritune.errors import InputError
from tritune.pipeline.registered_version import MODEL, RegisteredVersion
from tritune.pipeline.version_outputs import content_at, output_of
from tritune.promotion.sheet import Sheet, answer_sheet
from tritune.promotion.verdict import Verdict, judge
from tritune.settings.project import read_project

INGESTED = "data/ingested"


def compare_versions(
    tree: Path, *, champion: RegisteredVersion, challenger: RegisteredVersion, work: Path
) -> Verdict:
    """Return whether the challenger may take the champion's place, and why.

    Predictions that the pipeline made are used where it made them on these rows; a model that was tested on
    other rows, or whose predictions are lost, answers again.

    Args:
        tree: The project that made the challenger.
        work: An empty folder.

    Raises:
        InputError: They serve different tasks, or files of a version are in no place that DVC knows.
    """
    if champion.task != challenger.task:
        raise InputError(
            f"{challenger.version} is for {challenger.task} and {champion.version} for {champion.task}, so "
            f"they can't be compared; `tritune promote {challenger.version} --force` makes it the champion"
        )
    data = output_of(tree, champion, INGESTED)
    test = data / "test.parquet"
    if known := _known(read_ingested(data), read_ingested(output_of(tree, challenger, INGESTED))):
        reason = f"it was trained on {known} of the test texts of {champion.version}, so they can't judge it"
        return Verdict(False, f"{challenger.version} is kept out: {reason}", {"texts_known": known})
    return judge(
        _sheet(tree, champion, test=test, work=work),
        _sheet(tree, challenger, test=test, work=work),
        read_project(tree / "params.yaml").register_,
        names=(champion.version, challenger.version),
    )


def _known(champion: Ingested, challenger: Ingested) -> int:
    """Return how many of the champion's test rows have a text that the challenger was trained on."""
    told = {text_key(one.text) for one in challenger.splits["train"]}
    return sum(text_key(one.text) in told for one in champion.splits["test"])


def _sheet(tree: Path, version: RegisteredVersion, *, test: Path, work: Path) -> Sheet:
    import pyarrow.parquet as pq

    data = output_of(tree, version, INGESTED)
    labels = json.loads((data / "labels.json").read_text(encoding="utf-8"))
    return answer_sheet(
        pq.read_table(_predictions(tree, version, data=data, test=test, work=work)),
        task=version.task,
        labels=labels,
    )


def _predictions(tree: Path, version: RegisteredVersion, *, data: Path, test: Path, work: Path) -> Path:
    if filecmp.cmp(data / "test.parquet", test, shallow=False):
        try:
            return output_of(tree, version, f"evaluations/{version.method}-{version.seed}") / PREDICTIONS
        except InputError:
            pass  # the model answers again
    return sit_exam(
        folder=work / version.version,
        code=tree,
        params=content_at(tree, version, "params.yaml"),
        model=output_of(tree, version, MODEL),
        base=output_of(tree, version, "base"),
        ingested=data,
        test_rows=test,
    )
