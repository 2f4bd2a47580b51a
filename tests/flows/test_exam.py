"""A model on other test rows: the stages' code gives what `tritune predict` gives."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from flows.exam import sit_exam
from tritune.errors import InputError

ROOT = Path(__file__).parents[2]
LABELS = ["garden", "kitchen", "travel"]
PARAMS = "task: text_classification\ntokenize: {max_length: 16}\ncompute: {device: cpu, precision: fp32}\n"


@pytest.fixture
def model(tmp_path: Path, tiny_base: Path) -> Path:
    from transformers import AutoTokenizer, BertForSequenceClassification

    from tritune.models.finetuned import mark

    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)}}
    with torch.random.fork_rng():
        torch.manual_seed(6)
        tuned = BertForSequenceClassification.from_pretrained(str(tiny_base), **names)
    mark(tuned, task="text_classification", objective="single_label", inputs=["text"], answering={})
    tuned.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(str(tiny_base)).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def write(folder: Path, *, texts: list[str], label: str) -> None:
    folder.mkdir()
    for split in ("validation", "test"):
        rows = {"id": [f"{split}:{text}" for text in texts], "text": texts, "label": [label] * len(texts)}
        pq.write_table(pa.table(rows), folder / f"{split}.parquet")
    (folder / "labels.json").write_text(json.dumps(LABELS))


def sit(tmp_path: Path, model: Path, tiny_base: Path) -> Path:
    return sit_exam(
        folder=tmp_path / "exam",
        code=ROOT,
        params=PARAMS.encode(),
        model=model,
        base=tiny_base,
        ingested=tmp_path / "own",
        test_rows=tmp_path / "champion/test.parquet",
    )


@pytest.mark.slow
def test_it_answers_the_given_rows_as_predict_does(tmp_path: Path, model: Path, tiny_base: Path):
    from tritune.task.text_classification.answer import Answerer

    write(tmp_path / "own", texts=["rose soil"], label="garden")
    texts = ["bread and oven", "the old map is near", "a rose"]
    write(tmp_path / "champion", texts=texts, label="travel")
    table = pq.read_table(sit(tmp_path, model, tiny_base))
    test = [row for row in table.to_pylist() if row["split"] == "test"]
    assert [row["id"] for row in test] == [f"test:{text}" for text in texts]
    assert [row["label"] for row in test] == [2, 2, 2]
    answerer = Answerer(model, device=torch.device("cpu"))
    expected = answerer.probabilities([{"text": text} for text in texts], batch_size=2, ids=texts)
    assert np.allclose([row["probabilities"] for row in test], expected, atol=1e-5)


def test_a_model_that_can_t_answer_is_an_input_error(tmp_path: Path, model: Path, tiny_base: Path):
    write(tmp_path / "own", texts=["rose soil"], label="garden")
    write(tmp_path / "champion", texts=["a rose"], label="garden")
    (tmp_path / "own/labels.json").write_text(json.dumps(LABELS[::-1]))
    with pytest.raises(InputError, match="was trained for single_label with 3 labels"):
        sit(tmp_path, model, tiny_base)
    shutil.rmtree(tmp_path / "exam")
