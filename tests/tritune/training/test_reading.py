"""The top layer for what is read alone gives what it gives for all, gradients too, and runs for no more."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.tritune.training.test_packing import (
    PACKED,
    SINGLE,
    assert_same,
    loss_and_gradients,
    pack,
    tiny,
    with_lists,
)
from tritune.objectives.named import objective_named
from tritune.training import packing
from tritune.training.batches import collate
from tritune.training.cache_off import CacheOff
from tritune.training.dropout import FastDropout
from tritune.training.packing import packed_layers
from tritune.training.recompute import recompute_layers
from tritune.training.reduced import keep_no_activations

READS = {
    "bert": "first",
    "roberta": "first",
    "electra": "first",
    "distilbert": "first",
    "modernbert": "first",
    "gpt2": "last",
    "llama": "last",
    "gemma3": "last",
}


def pack_for_read(model, table, *, objective=SINGLE, above=0):
    return packed_layers(model, table, above=above, objective=objective, pad_token_id=0, only_read=True)


@pytest.mark.parametrize("few_sizes", [False, True])
@pytest.mark.parametrize("name", PACKED)
def test_loss_and_gradients_are_those_of_the_whole_layer(kit, monkeypatch, name, few_sizes):
    monkeypatch.setattr(packing, "_new_sizes_are_dear", lambda _: few_sizes)
    model, table = tiny(name), kit.token_table(20)
    padded = loss_and_gradients(model, table)
    assert pack_for_read(model, table).reads == READS[name]
    assert_same(padded, loss_and_gradients(model, replace(table, packed=True)))


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_a_row_may_end_in_what_pads(kit, name):
    """As texts do whose end of text pads, too; a decoder reads the token before it."""
    model, table = tiny(name), kit.token_table(20)
    tokens = table.tokens.copy()
    tokens[np.cumsum(table.lengths)[3:5] - 1] = 0
    table = replace(table, tokens=tokens)
    padded = loss_and_gradients(model, table)
    assert pack_for_read(model, kit.token_table(20)).reads == READS[name]
    assert_same(padded, loss_and_gradients(model, replace(table, packed=True)))


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_attention_of_our_own_gives_the_same(kit, name):
    """As with dropout, which ours is for; the rate is so small that nothing is dropped."""
    rate = 1e-9
    model, table = tiny(name), kit.token_table(20)
    padded = loss_and_gradients(model, table)
    assert pack_for_read(model, table).reads == READS[name]
    asked = []
    layer = packing.layer_modules(model)[-1]
    attention = next(m for m in layer.modules() if "num_key_value_groups" in vars(m) or "scaling" in vars(m))
    if name == "bert":
        attention.dropout.p = rate
    else:
        attention.attention_dropout = rate
    attention.train()
    ours = packing.packed_attention.__globals__["attention"]

    def watched(*given, **named):
        asked.append("asked" in named)
        return ours(*given, **named)

    packing.packed_attention.__globals__["attention"] = watched
    try:
        found = loss_and_gradients(model, replace(table, packed=True))
    finally:
        packing.packed_attention.__globals__["attention"] = ours
    assert asked == [True]
    assert_same(padded, found)


def test_the_top_layer_runs_for_what_is_read_and_the_others_for_all(kit):
    model, table = tiny("bert"), kit.token_table(20)
    pack_for_read(model, table)
    ran = [[] for _ in model.bert.encoder.layer]
    for layer, seen in zip(model.bert.encoder.layer, ran, strict=True):
        layer.output.dense.register_forward_hook(lambda _, given, __, to=seen: to.append(given[0].shape[1]))
    SINGLE.outputs(model, collate(replace(table, packed=True), np.arange(12), pad_token_id=0))
    tokens = table.lengths[:12].sum()
    assert ran == [*[[tokens]] * (len(ran) - 1), [12]]


def test_rows_of_one_length_are_read_alike(kit):
    model, table = tiny("bert"), kit.token_table(20)
    packed = pack_for_read(model, table)
    length = table.lengths[0]
    same = np.flatnonzero(table.lengths == length)[:1]
    whole = torch.cat(SINGLE.outputs(model, collate(table, same, pad_token_id=0)))
    batch = collate(replace(table, packed=True), same, pad_token_id=0)
    ran = []
    model.bert.encoder.layer[-1].register_forward_hook(lambda *given: ran.append(given[1][0].shape[1]))
    assert torch.allclose(torch.cat(SINGLE.outputs(model, batch)), whole, atol=1e-5)
    assert ran == [1]
    assert packed.reads == "first"


def test_where_sizes_are_to_be_few_the_read_tokens_are_a_few_counts(kit, monkeypatch):
    monkeypatch.setattr(packing, "_new_sizes_are_dear", lambda _: True)
    model, table = tiny("bert"), kit.token_table(100)
    pack_for_read(model, table)
    ran = set()
    model.bert.encoder.layer[-1].output.dense.register_forward_hook(
        lambda _, given, __: ran.add(given[0].shape[1])
    )
    for rows in range(2, 70):
        SINGLE.outputs(model, collate(replace(table, packed=True), np.arange(rows), pad_token_id=0))
    assert ran == {32, 64, 96}


def test_a_head_that_reads_more_has_all(kit):
    model = tiny("modernbert", classifier_pooling="mean")
    assert pack_for_read(model, kit.token_table(20)).reads is None
    tokens = objective_named("token_labels")
    table = with_lists(kit.token_table(20))
    assert pack_for_read(tiny("bert", "ForTokenClassification"), table, objective=tokens).reads is None


def test_nothing_is_concluded_from_a_head_that_tells_nothing_apart(kit):
    model, table = tiny("bert"), kit.token_table(20)
    torch.nn.init.zeros_(model.classifier.weight)
    assert pack_for_read(model, table).reads is None


def test_nobody_gets_it_who_does_not_ask(kit):
    assert pack(tiny("bert"), kit.token_table(20)).reads is None


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_layers_that_keep_no_activations_give_the_same_bits(kit, name):
    def run(*, recompute: bool):
        model, table = tiny(name), kit.token_table(20)
        packed = pack_for_read(model, table)
        if recompute:
            assert recompute_layers(model, above=0, packing=packed) is not None
        FastDropout(model)
        CacheOff(model)
        model.train()
        torch.manual_seed(3)
        return loss_and_gradients(model, replace(table, packed=True))

    (loss, gradients), (other_loss, others) = run(recompute=False), run(recompute=True)
    assert loss == other_loss
    assert all(torch.equal(gradient, others[name]) for name, gradient in gradients.items())


def test_where_only_the_top_layer_runs_there_is_none_to_compute_again_and_that_is_said(kit, capsys):
    model = tiny("bert")
    below = len(model.bert.encoder.layer) - 1
    packed = pack_for_read(model, kit.token_table(20), above=below)
    assert keep_no_activations(model, SimpleNamespace(depth=below), packed) is None
    assert capsys.readouterr().out == (
        "compute.recompute_activations changes nothing here: the only layer above what is frozen runs for "
        "the tokens that are read, and keeps little\n"
    )
