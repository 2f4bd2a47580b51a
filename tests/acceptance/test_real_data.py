"""The configurations for real data, on a small cut of them with the real models: does each learn?

The data are not part of the repository. Where they do not lie beside it, as the configurations say, there is
nothing to run. By default the other tests of this folder train tiny models on small data of their own.
"""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tests.stage_bodies import run_stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

ROOT = Path(__file__).parents[2]
STAGES = ["fetch", "ingest", "tokenize", "prepare", "sweep", "train", "evaluate"]


def scores_of_a_cut(
    folder: Path, name: str, *, rows: dict[str, int], classes: Sequence[str] = (), **train: Any
) -> tuple[dict, list]:
    """Return the test scores and the history of the configuration, on rows from all over its data."""
    params = YAML(typ="safe").load(ROOT / "configs" / f"{name}.yaml")
    data, model = ROOT / params["data"]["source"], params["model"]["source"]
    if not data.is_dir():
        pytest.skip(f"the data of configs/{name}.yaml do not lie at {params['data']['source']}")
    package = model.removeprefix("package:").split("/")[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the package {package}, which holds the model of configs/{name}.yaml, is not installed")
    (folder / "cut").mkdir()
    for split, count in rows.items():
        table = pq.read_table(data / f"{split}.parquet")
        if classes:
            table = table.filter(pc.is_in(table.column(params["data"]["label"]), pa.array(classes)))
        spread = range(0, table.num_rows, table.num_rows // count)  # files may be sorted by label
        pq.write_table(table.take(list(spread)[:count]), folder / f"cut/{split}.parquet")
    params["data"] = {**params["data"], "source": "cut", "min_rows_per_class": 2, "rare_classes": "drop"}
    params["train"] = {**params["train"], **train}
    params["compute"] = {"threads": 1}
    params["generate"] = {"max_new_tokens": 8, "replies": 2}
    method = params["methods"][0]
    run_stages(folder, STAGES, params, method=method)
    metrics = json.loads((folder / f"metrics/{method}-13.json").read_text("utf-8"))
    return metrics["test"], pq.read_table(folder / f"histories/{method}-13.parquet").to_pylist()


def test_entities_of_wnut17(tmp_path):
    rows = {"train": 600, "validation": 100, "test": 200}
    test, history = scores_of_a_cut(tmp_path, "wnut17", rows=rows, epochs=3)
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert test["entity_f1"] > 0.1  # a head that has not learnt finds next to nothing


def test_questions_of_squadshifts(tmp_path):
    rows = {"train": 160, "validation": 40, "test": 40}
    test, history = scores_of_a_cut(tmp_path, "squadshifts", rows=rows, epochs=3)
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    assert test["answer_f1"] > 0


def test_dialogues_of_taskmaster4(tmp_path):
    rows = {"train": 16, "validation": 4, "test": 4}
    test, history = scores_of_a_cut(tmp_path, "taskmaster4", rows=rows, epochs=2, batch_size=4)
    untouched = json.loads((tmp_path / "evaluations/partial-13/floor.json").read_text("utf-8"))
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    assert test["perplexity"] < untouched["scores"]["test"]["perplexity"]


def test_intents_of_banking77_by_a_language_model(tmp_path):
    rows = {"train": 120, "validation": 40, "test": 40}
    classes = ["card_arrival", "exchange_rate", "passcode_forgotten", "top_up_failed"]
    test, history = scores_of_a_cut(tmp_path, "banking77_smollm2", rows=rows, classes=classes)
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    assert test["accuracy"] > 0.5  # by chance: 0.25
