"""Which predictions the gate compares: those that are there, or new ones where the rows are others."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows import gate
from flows.gate import compare_versions
from tritune.errors import InputError
from tritune.pipeline.registered_version import RegisteredVersion

VERSION = RegisteredVersion(
    "v0.0.1", ("champion",), datetime(2026, 1, 1, tzinfo=UTC), "c1", "m1", task="text_classification",
    method="full", seed=13,
)  # fmt: skip
PARAMS = """\
task: text_classification
data: {source: rows.csv}
model: {source: nowhere}
methods: [full]
seeds: [13]
method: {full: {kind: full}}
register: {margin: 0.1}
"""


class Stores:
    """What DVC would have of two versions, and which models had to answer again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.examined, self.lost = folder, [], set()
        (folder / "params.yaml").write_text(PARAMS)

    def add(self, version: str, *, train: list[str], test: list[str], wrong: int) -> None:
        data = self.folder / version / "data/ingested"
        data.mkdir(parents=True)
        for split, texts in (("train", train), ("validation", ["v"]), ("test", test)):
            rows = {"id": [f"{split}:{text}" for text in texts], "text": texts, "label": ["x"] * len(texts)}
            pq.write_table(pa.table(rows), data / f"{split}.parquet")
        (data / "labels.json").write_text(json.dumps(["x", "y"]))
        folder = self.folder / version / "evaluations/full-13"
        folder.mkdir(parents=True)
        pq.write_table(predictions(test, wrong=wrong), folder / "predictions.parquet")

    def output_of(self, _tree: Path, version: RegisteredVersion, path: str) -> Path:
        if (version.version, path) in self.lost:
            raise InputError(f"{path} is lost")
        return self.folder / version.version / path

    def sit_exam(self, *, folder: Path, test_rows: Path, **_: Any) -> Path:
        self.examined.append(folder.name)
        folder.mkdir()
        texts = pq.read_table(test_rows)["text"].to_pylist()
        pq.write_table(predictions(texts, wrong=0), folder / "predictions.parquet")
        return folder / "predictions.parquet"

    def compare(self, **changes: Any):
        challenger = replace(VERSION, version="v0.0.2", **changes)
        work = self.folder / "work"
        work.mkdir()
        return compare_versions(self.folder, champion=VERSION, challenger=challenger, work=work)


def predictions(texts: list[str], *, wrong: int) -> pa.Table:
    predicted = [1] * wrong + [0] * (len(texts) - wrong)
    return pa.table(
        {
            "split": ["test"] * len(texts),
            "id": [f"test:{text}" for text in texts],
            "label": pa.array([0] * len(texts), pa.int32()),
            "predicted": pa.array(predicted, pa.int32()),
            "probabilities": [[0.9, 0.1] if one == 0 else [0.1, 0.9] for one in predicted],
        }
    )


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stores:
    found = Stores(tmp_path)
    monkeypatch.setattr(gate, "output_of", found.output_of)
    monkeypatch.setattr(gate, "sit_exam", found.sit_exam)
    monkeypatch.setattr(gate, "content_at", lambda *_: PARAMS.encode())
    found.add("v0.0.1", train=["a"], test=[f"t{row}" for row in range(60)], wrong=10)
    return found


def test_on_the_same_test_rows_the_predictions_that_are_there_decide(stores: Stores):
    stores.add("v0.0.2", train=["a", "b"], test=[f"t{row}" for row in range(60)], wrong=2)
    verdict = stores.compare()
    assert verdict.promote
    assert (verdict.numbers["champion"], verdict.numbers["challenger"]) == (50 / 60, 58 / 60)
    assert stores.examined == []


def test_when_the_test_split_grew_the_challenger_answers_the_champion_s_rows(stores: Stores):
    stores.add("v0.0.2", train=["a"], test=[f"t{row}" for row in range(90)], wrong=80)
    verdict = stores.compare()
    assert (verdict.numbers["rows"], verdict.numbers["challenger"]) == (60, 1.0)
    assert stores.examined == ["v0.0.2"]


def test_a_champion_whose_predictions_are_lost_answers_again(stores: Stores):
    stores.add("v0.0.2", train=["a"], test=[f"t{row}" for row in range(60)], wrong=0)
    stores.lost.add(("v0.0.1", "evaluations/full-13"))
    assert stores.compare().numbers["champion"] == 1.0
    assert stores.examined == ["v0.0.1"]


def test_who_was_told_the_answers_is_kept_out(stores: Stores):
    stores.add("v0.0.2", train=["a", "t3", "t5"], test=["other"], wrong=0)
    verdict = stores.compare()
    assert (verdict.promote, verdict.reason) == (
        False,
        "v0.0.2 is kept out: it was trained on 2 of the test texts of v0.0.1, so they can't judge it",
    )


def test_a_text_in_other_letters_is_the_same_text(stores: Stores):
    stores.add("v0.0.2", train=["a", " T3"], test=["other"], wrong=0)
    assert "it was trained on 1 of the test texts" in stores.compare().reason


def test_models_of_two_tasks_can_t_be_compared(stores: Stores):
    with pytest.raises(InputError) as refused:
        stores.compare(task="dialogue")
    assert str(refused.value) == (
        "v0.0.2 is for dialogue and v0.0.1 for text_classification, so they can't be compared; "
        "`tritune promote v0.0.2 --force` makes it the champion"
    )
