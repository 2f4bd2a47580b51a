"""`model_outputs` on tiny random models of the kinds that pad differently."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from tritune.inference import model_outputs
from tritune.objectives import single_label
from tritune.objectives.named import objective_named
from tritune.outputs import Outputs
from tritune.tokens import TokenTable
from tritune.training.packing import packed_layers

SIZES = {"vocab_size": 40, "num_labels": 3, "pad_token_id": 0}


def bert() -> torch.nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, **SIZES
    )
    return BertForSequenceClassification(config)


def gpt2() -> torch.nn.Module:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    torch.manual_seed(0)
    return GPT2ForSequenceClassification(GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, **SIZES))


def logits_of(model: torch.nn.Module, rows: TokenTable, **options) -> np.ndarray:
    outputs = model_outputs(model, rows, objective=objective_named("single_label"), **options)
    assert outputs.rows == rows.rows
    return outputs.values


def table(rows: int = 30) -> TokenTable:
    draw = np.random.RandomState(0)
    lengths = draw.randint(1, 20, rows)
    return TokenTable(
        row_ids=pa.array([str(i) for i in range(rows)]),
        tokens=draw.randint(1, 40, lengths.sum()).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=draw.randint(0, 3, rows).astype(np.int32),
    )


@pytest.mark.parametrize("make", [bert, gpt2])
def test_padding_changes_nothing_and_rows_stay_in_order(make):
    model, rows = make().eval(), table()
    with torch.inference_mode():
        alone = [model(input_ids=torch.tensor(rows.row(i)[None]).long()).logits[0] for i in range(rows.rows)]
    for batch_size in (1, 7, 64):
        together = logits_of(model, rows, pad_token_id=0, batch_size=batch_size)
        assert together.dtype == np.float32
        np.testing.assert_allclose(together, torch.stack(alone).numpy(), rtol=1e-4, atol=1e-5)


def test_a_row_far_longer_than_the_others_does_not_pad_them_all():
    lengths = np.array([40, 400, *[40] * 40])
    rows = TokenTable(
        row_ids=pa.array([str(i) for i in range(42)]),
        tokens=np.random.RandomState(0).randint(1, 40, lengths.sum()).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=np.zeros(42, dtype=np.int32),
    )
    model = bert()
    expected = logits_of(model, rows, pad_token_id=0)
    assert packed_layers(model, rows, above=0, objective=objective_named("single_label"), pad_token_id=0)
    seen = []
    model.bert.embeddings.register_forward_hook(lambda _, __, output: seen.append(tuple(output.shape[:2])))
    found = logits_of(model, replace(rows, packed=True), pad_token_id=0)
    assert seen == [(12, 400), (30, 40)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_dropout_is_off_and_every_module_gets_its_mode_back():
    model = bert().train()
    model.bert.embeddings.eval()
    before = [module.training for module in model.modules()]
    first = logits_of(model, table(), pad_token_id=0)
    assert np.array_equal(first, logits_of(model, table(), pad_token_id=0))
    assert [module.training for module in model.modules()] == before


def test_no_rows_no_answers():
    rows = table().__class__(pa.array([], pa.string()), *(np.zeros(n, dtype=np.int64) for n in (0, 1, 0)))
    assert len(logits_of(bert(), rows, pad_token_id=0)) == 0


def test_the_mean_loss_by_hand():
    logits = np.array([[0.0, 0.0], [math.log(3), 0.0]], dtype=np.float32)
    expected = (math.log(2) + math.log(4 / 3)) / 2
    assert mean_loss(logits, [1, 0]) == pytest.approx(expected)
    assert mean_loss(np.array([[1000.0, 0.0]]), [1]) == 1000


def mean_loss(logits: np.ndarray, labels: list[int]) -> float:
    rows = replace(table(len(labels)), labels=np.array(labels))
    return single_label.mean_loss(Outputs(logits, np.arange(len(labels) + 1)), rows)


def test_some_rows_are_asked_in_the_given_order():
    model, rows = bert().eval(), table()
    chosen = np.array([7, 2, 29, 2])
    found = model_outputs(model, rows, objective=objective_named("single_label"), pad_token_id=0, rows=chosen)
    every = logits_of(model, rows, pad_token_id=0)
    np.testing.assert_allclose(found.values, every[chosen], rtol=1e-4, atol=1e-6)
    assert found.rows == 4
    again = Outputs(every, np.arange(31)).rows_at(chosen)
    assert np.array_equal(again.values, every[chosen])
    assert again.offsets.tolist() == [0, 1, 2, 3, 4]


def test_in_bf16_each_weight_is_cast_once_for_all_batches():
    from torch.profiler import ProfilerActivity, profile

    model = bert().eval()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as trace:
        logits_of(model, table(), batch_size=5, precision="bf16", pad_token_id=0)
    casts = [event for event in trace.events() if event.name == "aten::_to_copy"]
    assert sum(event.input_shapes[:1] == [[64, 32]] for event in casts) == 2  # one a layer
