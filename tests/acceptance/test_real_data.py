"""The configurations for real data, on a small cut of them with the real models: does each learn?

The data are not part of the repository. Where they do not lie beside it, as the configurations say, there is
nothing to run; nor without the package that holds a model, which `make test` installs.
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
from tritune.models.base import locate_base, write_base
from tritune.settings.model import ModelSettings

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
STAGES = ["fetch", "ingest", "tokenize", "prepare", "sweep", "train", "evaluate"]


@pytest.fixture(scope="module")
def written_models(tmp_path_factory):
    """Return where the model of a package lies as a folder; each is written once, a GGUF file takes long."""
    folders: dict[str, Path] = {}

    def written(source: str) -> Path:
        if source not in folders:
            folder = tmp_path_factory.mktemp("model")
            write_base(locate_base(ModelSettings(source=source), root=ROOT), folder)
            folders[source] = folder
        return folders[source]

    return written


@pytest.fixture
def learnt_from_a_cut(tmp_path, written_models):
    """Return the test scores and the history of a configuration, on rows from all over its data."""

    def learnt(
        name: str, *, rows: dict[str, int], classes: Sequence[str] = (), **train: Any
    ) -> tuple[dict, list]:
        params = YAML(typ="safe").load(ROOT / "configs" / f"{name}.yaml")
        data, model = ROOT / params["data"]["source"], params["model"]["source"]
        if not data.is_dir():
            pytest.skip(f"the data of configs/{name}.yaml do not lie at {params['data']['source']}")
        package = model.removeprefix("package:").split("/")[0]
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package}, which holds the model of configs/{name}.yaml, is missing")
        (tmp_path / "cut").mkdir()
        for split, count in rows.items():
            table = pq.read_table(data / f"{split}.parquet")
            if classes:
                table = table.filter(pc.is_in(table.column(params["data"]["label"]), pa.array(classes)))
            spread = range(0, table.num_rows, table.num_rows // count)  # files may be sorted by label
            pq.write_table(table.take(list(spread)[:count]), tmp_path / f"cut/{split}.parquet")
        params["data"] = {**params["data"], "source": "cut", "min_rows_per_class": 2, "rare_classes": "drop"}
        params["model"] = {**params["model"], "source": str(written_models(model))}
        params["train"] = {**params["train"], **train}
        params["compute"] = {"threads": 1}
        params["generate"] = {"max_new_tokens": 8, "replies": 1}
        method = params["methods"][0]
        run_stages(tmp_path, STAGES, params, method=method)
        metrics = json.loads((tmp_path / f"metrics/{method}-13.json").read_text("utf-8"))
        return metrics["test"], pq.read_table(tmp_path / f"histories/{method}-13.parquet").to_pylist()

    return learnt


def test_entities_of_wnut17(learnt_from_a_cut):
    rows = {"train": 400, "validation": 60, "test": 100}
    test, history = learnt_from_a_cut("wnut17", rows=rows, epochs=4, batch_size=8)
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert test["entity_f1"] > 0.1  # a head that has not learnt finds next to nothing


def test_questions_of_squadshifts(learnt_from_a_cut):
    rows = {"train": 48, "validation": 16, "test": 16}
    test, history = learnt_from_a_cut("squadshifts", rows=rows, epochs=2)
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    assert test["answer_f1"] > 0


@pytest.mark.slow  # nearly a minute, and dialogues and this model have default tests of their own
def test_dialogues_of_taskmaster4(learnt_from_a_cut, tmp_path):
    rows = {"train": 12, "validation": 2, "test": 2}
    test, history = learnt_from_a_cut("taskmaster4", rows=rows, epochs=2, batch_size=4)
    untouched = json.loads((tmp_path / "evaluations/partial-13/floor.json").read_text("utf-8"))
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    assert test["perplexity"] < untouched["scores"]["test"]["perplexity"]


def test_intents_of_banking77_by_a_language_model(learnt_from_a_cut):
    rows = {"train": 80, "validation": 20, "test": 20}
    classes = ["card_arrival", "exchange_rate", "passcode_forgotten", "top_up_failed"]
    test, history = learnt_from_a_cut("banking77_smollm2", rows=rows, classes=classes)
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    assert test["accuracy"] > 0.5  # by chance: 0.25
