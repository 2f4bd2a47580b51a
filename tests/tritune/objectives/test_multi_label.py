import numpy as np
import pyarrow as pa
import pytest
import torch

from tritune.inference import model_outputs
from tritune.objectives import multi_label
from tritune.objectives.named import objective_named
from tritune.tokens import TokenTable
from tritune.training.batches import collate

LABELS = [[0, 2], [], [1]]


def table() -> TokenTable:
    lengths = [4, 2, 3]
    return TokenTable(
        row_ids=pa.array(["a", "b", "c"]),
        tokens=np.arange(1, 1 + sum(lengths), dtype=np.int32),
        offsets=np.cumsum([0, *lengths]),
        labels=np.array([label for row in LABELS for label in row], dtype=np.int32),
        label_offsets=np.cumsum([0, *map(len, LABELS)]),
    )


@pytest.fixture
def model():
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=20, **sizes, **multi_label.config(["x", "y", "z"]))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return BertForSequenceClassification(config).eval()


def test_the_loss_is_transformers_own(model):
    batch = collate(table(), np.arange(3), pad_token_id=0)
    targets = torch.from_numpy(multi_label.targets_of(table(), labels=3)).float()
    assert targets.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    expected = model(**batch.inputs(), labels=targets).loss.item()
    found = multi_label.loss_sum(model, batch, label_smoothing=0.0).item() / 3
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_mean_loss_of_a_table_is_that_of_training_without_smoothing(model):
    outputs = model_outputs(model, table(), objective=objective_named("multi_label"), pad_token_id=0)
    batch = collate(table(), np.arange(3), pad_token_id=0)
    expected = multi_label.loss_sum(model, batch, label_smoothing=0.0).item() / 3
    assert multi_label.mean_loss(outputs, table()) == pytest.approx(expected, rel=1e-5)
    smoothed = multi_label.loss_sum(model, batch, label_smoothing=1.0).item() / 3
    logits = torch.from_numpy(outputs.values)
    half = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 0.5)).item()
    assert smoothed == pytest.approx(half, rel=1e-5)
