import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn.metrics

from tasks.evaluate import run
from tritune.errors import InputError
from tritune.inference import model_outputs
from tritune.pipeline.context import StageContext
from tritune.tokens import TokensInfo, token_schema, write_tokens_info

SCHEMA = token_schema(listed_labels=False)

LABELS = ["garden", "kitchen", "travel"]
ROWS = {"train": 4, "validation": 7, "test": 9}


def write_tokens(folder: Path, *, rows: dict[str, int]) -> None:
    folder.mkdir(parents=True)
    draw = np.random.default_rng(1)
    for split, count in rows.items():
        ids = [[2, *map(int, draw.integers(4, 20, draw.integers(1, 8))), 3] for _ in range(count)]
        table = pa.table(
            [
                pa.array([f"{split}.csv:{i + 1}" for i in range(count)], pa.string()),
                pa.array(ids, pa.list_(pa.int32())),
                pa.array([i % 2 for i in range(count)], pa.int32()),
            ],
            schema=SCHEMA,
        )
        with pa.OSFile(str(folder / f"{split}.arrow"), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            writer.write_table(table)
    info = TokensInfo(
        task="text_classification",
        objective="single_label",
        inputs=["text"],
        answering={},
        labels=LABELS,
        pad_token_id=0,
        max_length=64,
        examples=rows,
        rows=rows,
        tokens=dict.fromkeys(rows, 1),
    )
    write_tokens_info(folder, info)


@pytest.fixture
def project(tmp_path, monkeypatch, tiny_base) -> Path:
    import torch
    from transformers import AutoConfig, BertForSequenceClassification

    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_base, "base")
    write_tokens(Path("data/tokens"), rows=ROWS)
    config = AutoConfig.from_pretrained(
        tiny_base, id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)}
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(config)
        model.classifier.weight.data.normal_()
    model.save_pretrained("checkpoints/full-13")
    return tmp_path


def context(scratch: str = "scratch", task: str = "text_classification") -> StageContext:
    gold = [f"data/ingested/{split}.parquet" for split in ("validation", "test")]
    inputs = ("base", "checkpoints/full-13", "data/tokens", *gold)
    return StageContext(
        stage="evaluate@full-13",
        item={"method": "full", "seed": "13"},
        params={
            "task": task,
            "compute": {"threads": 1, "precision": "fp32", "device": "cpu"},
            "generate": {},
        },
        inputs={name: Path(name) for name in inputs},
        outputs=("evaluations/full-13", "metrics/full-13.json"),
        scratch=Path(scratch),
    )


def read_csv(name: str) -> list[dict[str, str]]:
    with Path("scratch/outputs/evaluations/full-13", name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("project")
def test_metrics_agree_with_scikit_learn_on_the_written_predictions():
    run(context())
    scores = json.loads(Path("scratch/outputs/metrics/full-13.json").read_text())
    assert set(scores) == {"validation", "test"}
    table = pq.read_table("scratch/outputs/evaluations/full-13/predictions.parquet").to_pylist()
    assert [row["split"] for row in table] == ["validation"] * 7 + ["test"] * 9
    assert table[7]["id"] == "test.csv:1"
    for split in scores:
        rows = [row for row in table if row["split"] == split]
        labels, predicted = [r["label"] for r in rows], [r["predicted"] for r in rows]
        assert predicted == [int(np.argmax(r["probabilities"])) for r in rows]
        assert scores[split]["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))


@pytest.mark.usefixtures("project")
def test_predictions_are_what_the_model_says_of_each_row_alone():
    import torch
    from transformers import AutoModelForSequenceClassification

    run(context())
    model = AutoModelForSequenceClassification.from_pretrained("checkpoints/full-13").eval()
    written = pq.read_table("scratch/outputs/evaluations/full-13/predictions.parquet").to_pylist()
    with pa.memory_map("data/tokens/validation.arrow") as source:
        rows = pa.ipc.open_file(source).read_all().to_pylist()
    for row, prediction in zip(rows, written, strict=False):
        with torch.inference_mode():
            expected = model(torch.tensor([row["input_ids"]])).logits.softmax(-1)[0]
        assert prediction["probabilities"] == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.usefixtures("project")
def test_what_training_changed_is_measured_from_the_model_as_training_began():
    from tritune.models.load import load_model

    begun, _ = load_model(Path("base"), objective="single_label", labels=LABELS, seed=13)
    begun.bert.encoder.layer[2].output.dense.weight.data.mul_(2)
    begun.save_pretrained("checkpoints/full-13")
    run(context())
    found = json.loads(Path("scratch/outputs/evaluations/full-13/changes.json").read_text())
    assert [name for name, value in found["drift"] if value] == ["layer.2"]
    assert [name for name, value in found["alike"] if value != 1.0] == ["layer.2"]
    assert [name for name, _ in found["probe"]["values"]] == ["embeddings", "layer.0", "layer.1", "layer.2"]


@pytest.mark.usefixtures("project")
def test_tables_cover_every_class_and_every_row():
    run(context())
    per_class = read_csv("per_class.csv")
    assert [(r["split"], r["label"]) for r in per_class[:3]] == [("validation", n) for n in LABELS]
    assert sum(int(r["rows"]) for r in per_class if r["split"] == "test") == 9
    confusion = read_csv("confusion.csv")
    assert len(confusion) == 9
    assert set(confusion[0]) == {"actual", "predicted"}
    calibration = read_csv("calibration.csv")
    assert len(calibration) == 2 * 15
    assert sum(int(r["rows"]) for r in calibration if r["split"] == "validation") == 7


@pytest.mark.usefixtures("project")
def test_the_temperature_is_set_on_validation_and_never_makes_it_worse():
    run(context())
    decided = json.loads(Path("scratch/outputs/evaluations/full-13/decided.json").read_text())
    before, after, *test = read_csv("temperature.csv")
    assert (before["temperature"], float(after["temperature"])) == ("1.0", decided["temperature"])
    assert float(after["negative_log_likelihood"]) <= float(before["negative_log_likelihood"])
    scores = json.loads(Path("scratch/outputs/metrics/full-13.json").read_text())
    assert float(test[0]["negative_log_likelihood"]) == pytest.approx(
        scores["test"]["negative_log_likelihood"]
    )


@pytest.mark.usefixtures("project")
def test_two_runs_give_the_same_bytes():
    def hashes(scratch: str) -> dict[str, str]:
        run(context(scratch))
        files = sorted(path for path in Path(scratch).rglob("*") if path.is_file())
        return {
            str(path.relative_to(scratch)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
        }

    first = hashes("one")
    assert len(first) == 9
    assert hashes("two") == first


@pytest.mark.usefixtures("project")
def test_both_splits_run_without_padding(monkeypatch):
    seen = []

    def watched(model, table, **named):
        seen.append(table.packed)
        return model_outputs(model, table, **named)

    monkeypatch.setattr("tasks.evaluate.model_outputs", watched)
    run(context())
    assert seen == [True, True]


@pytest.mark.usefixtures("project")
def test_speed_is_measured_beside_the_outputs():
    ctx = context()
    run(ctx)
    assert ctx.measurements["examples_per_second"] > 0


@pytest.mark.usefixtures("project")
def test_refuses_labels_of_another_data_set():
    config = json.loads(Path("checkpoints/full-13/config.json").read_text())
    config["id2label"] = {"0": "travel", "1": "kitchen", "2": "garden"}
    Path("checkpoints/full-13/config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="or in another order; train again with `tritune run`"):
        run(context())


@pytest.mark.usefixtures("project")
def test_refuses_an_empty_split():
    shutil.rmtree("data/tokens")
    write_tokens(Path("data/tokens"), rows={**ROWS, "test": 0})
    with pytest.raises(InputError, match="the test split has no rows to evaluate on"):
        run(context())


@pytest.mark.usefixtures("project")
def test_refuses_tokens_of_another_task():
    with pytest.raises(
        InputError, match=r"holds the task text_classification, but params\.yaml has task: ner"
    ):
        run(context(task="ner"))
