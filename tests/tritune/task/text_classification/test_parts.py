import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.metrics.catalogue import metrics_of
from tritune.metrics.classification import classification_metrics
from tritune.metrics.multi_label import multi_label_metrics
from tritune.statistics.resample import plain_score
from tritune.task.text_classification.parts import parts


def test_scores_of_one_label_are_sums_over_texts(tmp_path):
    draw = np.random.default_rng(0)
    labels, probabilities = draw.integers(4, size=30), draw.dirichlet(np.ones(4), size=30).astype(np.float32)
    write(tmp_path, labels, probabilities.argmax(axis=1), probabilities)

    reference = classification_metrics(labels, probabilities)
    for metric in metrics_of("text_classification", objective="single_label"):
        of = parts(tmp_path, metric, split="test", labels=4, objective="single_label")
        assert plain_score(of) == pytest.approx(reference[metric], abs=1e-6), metric
        assert len(of.ids) == 30


def test_scores_of_several_labels_are_sums_over_texts(tmp_path):
    draw = np.random.default_rng(0)
    targets, probabilities = draw.integers(2, size=(30, 5)), draw.random((30, 5)).astype(np.float32)
    lists = [[np.flatnonzero(row).tolist() for row in each] for each in (targets, probabilities >= 0.5)]
    write(tmp_path, *lists, probabilities)
    own = np.where(targets == 1, probabilities, 1 - probabilities).astype(np.float64)
    reference = {
        **multi_label_metrics(targets, probabilities),
        "negative_log_likelihood": float(-np.log(own).mean()),
    }
    for metric in metrics_of("text_classification", objective="multi_label"):
        of = parts(tmp_path, metric, split="test", labels=5, objective="multi_label")
        assert plain_score(of) == pytest.approx(reference[metric]), metric


def write(folder, labels, predicted, probabilities) -> None:
    """One text of another split comes first: it must not count."""
    rows = [
        {"split": "validation", "id": "v", "label": labels[0], "predicted": predicted[0]}
        | {"probabilities": probabilities[0]}
    ]
    for index, each in enumerate(zip(labels, predicted, probabilities, strict=True)):
        named = dict(zip(("label", "predicted", "probabilities"), each, strict=True))
        rows.append({"split": "test", "id": str(index), **named})
    pq.write_table(pa.Table.from_pylist(rows), folder / "predictions.parquet")
