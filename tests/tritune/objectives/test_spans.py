import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn import functional as F

from tritune.objectives import spans
from tritune.outputs import Outputs
from tritune.tokens import TokenTable
from tritune.training.batches import collate


@pytest.fixture(scope="module")
def model():
    from transformers import BertConfig, BertForQuestionAnswering

    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        **spans.config([]),
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return BertForQuestionAnswering(config).eval()


def table(lengths, labels) -> TokenTable:
    draw = np.random.RandomState(1)
    count = len(lengths)
    return TokenTable(
        row_ids=pa.array([f"q{index}" for index in range(count)]),
        tokens=draw.randint(1, 50, sum(lengths)).astype(np.int32),
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        labels=np.array(labels, dtype=np.int32).reshape(-1),
        label_offsets=np.arange(0, 2 * count + 1, 2, dtype=np.int64),
        token_types=draw.randint(0, 2, sum(lengths)).astype(np.int8),
    )


def test_without_padding_it_is_the_loss_of_transformers(model):
    rows = table([8, 8, 8], [[1, 3], [0, 0], [7, 7]])
    batch = collate(rows, np.arange(3), pad_token_id=0)
    with torch.inference_mode():
        theirs = model(
            **batch.inputs(), start_positions=batch.labels[:, 0], end_positions=batch.labels[:, 1]
        ).loss
        ours = spans.loss_sum(model, batch, label_smoothing=0.0)
    assert ours.item() / 3 == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_padding_changes_nothing(model, smoothing):
    rows = table([5, 9, 2], [[1, 3], [8, 8], [0, 1]])
    with torch.inference_mode():
        together = spans.loss_sum(
            model, collate(rows, np.arange(3), pad_token_id=0), label_smoothing=smoothing
        )
        alone = sum(
            spans.loss_sum(
                model, collate(rows, np.array([row]), pad_token_id=0), label_smoothing=smoothing
            ).item()
            for row in range(3)
        )
    assert together.item() == pytest.approx(alone, rel=1e-5)


def test_label_smoothing_is_that_of_torch(model):
    batch = collate(table([6, 6], [[1, 2], [3, 5]]), np.arange(2), pad_token_id=0)
    with torch.inference_mode():
        ours = spans.loss_sum(model, batch, label_smoothing=0.2)
        output = model(**batch.inputs())
        theirs = [
            F.cross_entropy(logits, batch.labels[:, side], label_smoothing=0.2, reduction="sum")
            for side, logits in enumerate((output.start_logits, output.end_logits))
        ]
    assert ours.item() == pytest.approx(sum(theirs).item() / 2, rel=1e-5)


def test_the_gradient_is_finite_beside_padding(model):
    batch = collate(table([2, 9], [[1, 1], [8, 8]]), np.arange(2), pad_token_id=0)
    spans.loss_sum(model, batch, label_smoothing=0.1).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    model.zero_grad()


def test_the_mean_loss_of_stored_outputs_is_that_of_training(model):
    rows = table([5, 9, 2], [[1, 3], [8, 8], [0, 1]])
    batch = collate(rows, np.arange(3), pad_token_id=0)
    with torch.inference_mode():
        given = [row.numpy() for row in spans.outputs(model, batch)]
        loss = spans.loss_sum(model, batch, label_smoothing=0.0).item() / 3
    assert [row.shape for row in given] == [(5, 2), (9, 2), (2, 2)]
    stored = Outputs(np.concatenate(given), np.cumsum([0, 5, 9, 2], dtype=np.int64))
    assert spans.mean_loss(stored, rows) == pytest.approx(loss, rel=1e-5)


def test_a_loss_by_hand():
    values = np.log(np.array([[1, 1], [3, 1], [1, 1], [1, 7]], dtype=np.float32))
    stored = Outputs(values, np.array([0, 2, 4], dtype=np.int64))
    rows = table([2, 2], [[1, 0], [0, 1]])
    # Shares of the right tokens: 3/4 and 1/2, then 1/2 and 7/8.
    expected = -np.log([3 / 4, 1 / 2, 1 / 2, 7 / 8]).mean()
    assert spans.mean_loss(stored, rows) == pytest.approx(expected)


def test_each_row_is_one_term():
    assert spans.items(table([3, 4], [[0, 1], [2, 2]])).tolist() == [1, 1]
