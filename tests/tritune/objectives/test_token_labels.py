import math

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tritune.objectives import token_labels
from tritune.outputs import Outputs
from tritune.tokens import IGNORED, TokenTable
from tritune.training.batches import collate

TABLE = TokenTable(
    row_ids=pa.array(["a", "b", "c"]),
    tokens=np.array([1, 2, 3, 4, 5, 1], dtype=np.int32),
    offsets=np.array([0, 3, 5, 6]),
    labels=np.array([IGNORED, 1, 0, 2, IGNORED, IGNORED], dtype=np.int32),
    label_offsets=np.array([0, 3, 5, 6]),
)


class Looks(nn.Module):
    """Gives token t the logits (t, 2t, 0)."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor):  # noqa: ARG002
        ids = input_ids.float()
        return type("Output", (), {"logits": torch.stack([ids, 2 * ids, 0 * ids], dim=-1)})


def test_a_row_has_as_many_terms_as_labels() -> None:
    assert token_labels.items(TABLE).tolist() == [2, 1, 0]


def test_the_loss_is_the_sum_over_labelled_tokens() -> None:
    batch = collate(TABLE, np.array([0, 1, 2]), pad_token_id=0)
    by_hand = sum(
        math.log(math.exp(t) + math.exp(2 * t) + 1) - right for t, right in ((2, 4), (3, 3), (4, 0))
    )
    loss = token_labels.loss_sum(Looks(), batch, label_smoothing=0.0)
    assert loss.item() == pytest.approx(by_hand, rel=1e-6)


def test_label_smoothing_is_torch_s() -> None:
    batch = collate(TABLE, np.array([0]), pad_token_id=0)
    logits = torch.tensor([[2.0, 4, 0], [3, 6, 0]])
    expected = F.cross_entropy(logits, torch.tensor([1, 0]), label_smoothing=0.2, reduction="sum")
    assert token_labels.loss_sum(Looks(), batch, label_smoothing=0.2).item() == pytest.approx(expected.item())


def test_outputs_are_the_logits_of_each_token_without_padding() -> None:
    batch = collate(TABLE, np.array([1, 0]), pad_token_id=0)
    assert [part.tolist() for part in token_labels.outputs(Looks(), batch)] == [
        [[4, 8, 0], [5, 10, 0]],
        [[1, 2, 0], [2, 4, 0], [3, 6, 0]],
    ]


def test_the_mean_loss_is_the_loss_s_mean() -> None:
    values = np.array([[t, 2 * t, 0] for t in TABLE.tokens], dtype=np.float32)
    batch = collate(TABLE, np.array([0, 1, 2]), pad_token_id=0)
    whole = token_labels.loss_sum(Looks(), batch, label_smoothing=0.0).item()
    assert token_labels.mean_loss(Outputs(values, TABLE.offsets), TABLE) == pytest.approx(whole / 3)


def test_where_nothing_has_a_label_the_mean_loss_is_zero() -> None:
    table = TokenTable(
        TABLE.row_ids[2:], TABLE.tokens[5:], np.array([0, 1]), TABLE.labels[5:], np.array([0, 1])
    )
    assert token_labels.mean_loss(Outputs(np.ones((1, 3), np.float32), table.offsets), table) == 0


def test_the_config_names_the_tags() -> None:
    assert token_labels.config(["O", "B-x"]) == {
        "num_labels": 2,
        "id2label": {0: "O", 1: "B-x"},
        "label2id": {"O": 0, "B-x": 1},
    }
