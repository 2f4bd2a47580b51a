"""Rows end to end are rows with padding, but for rounding; and no padding runs."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
import transformers

from tests.tritune.training.tiny_sizes import BERT, DEBERTA_V2, DISTILBERT, ELECTRA, GEMMA3, GPT2, LLAMA
from tritune.objectives.named import objective_named
from tritune.tokens import IGNORED
from tritune.training import bins, packing
from tritune.training.batches import collate
from tritune.training.packing import packed_layers
from tritune.training.reduced import leave_out_padding
from tritune.training.start_above import start_above

SINGLE = objective_named("single_label")
SIZES = {"vocab_size": 40, "num_labels": 3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
PACKED = {
    "bert": ("Bert", BERT),
    "roberta": ("Roberta", BERT),
    "electra": ("Electra", ELECTRA),
    "distilbert": ("DistilBert", DISTILBERT),
    "modernbert": ("ModernBert", {**BERT, "cls_token_id": 1, "sep_token_id": 2, "local_attention": 4}),
    "gpt2": ("GPT2", GPT2),
    "llama": ("Llama", LLAMA),
    "gemma3": ("Gemma3Text", {**GEMMA3, "sliding_window": 4}),
}
PADDED = {
    "deberta-v2": ("DebertaV2", DEBERTA_V2),
    "albert": ("Albert", ELECTRA),
    "bloom": ("Bloom", {"hidden_size": 32, "n_layer": 3, "n_head": 2}),
    "t5": ("T5", T5),
    "bart": ("Bart", {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2}),
    "mpnet": ("MPNet", BERT),
}


def tiny(name: str, head: str = "ForSequenceClassification", **changes: object) -> torch.nn.Module:
    family, sizes = {**PACKED, **PADDED}[name]
    config = getattr(transformers, f"{family}Config")(**SIZES, **sizes, **changes)
    torch.manual_seed(0)
    # So large that a token of another row would be noticed.
    model = getattr(transformers, f"{family.removesuffix('Text')}{head}")._from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    return model.eval()


def pack(model, table, *, objective=SINGLE, above=0):
    return packed_layers(model, table, above=above, objective=objective, pad_token_id=0)


def with_lists(table):
    """The same rows with a label a token."""
    labels = np.where(table.tokens % 4 == 0, IGNORED, table.tokens % 3).astype(np.int32)
    return replace(table, labels=labels, label_offsets=table.offsets)


def loss_and_gradients(model, table, *, objective=SINGLE):
    """Of 12 rows, in an order of no meaning. The model is in evaluation mode: no dropout."""
    model.zero_grad()
    batch = collate(table, np.arange(12), pad_token_id=0)
    loss = objective.loss_sum(model, batch, label_smoothing=0.1)
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_same(one, other):
    assert other[0] == pytest.approx(one[0], rel=1e-5)
    assert other[1].keys() == one[1].keys()
    scale = max(float(gradient.norm()) for gradient in one[1].values())
    for name, gradient in one[1].items():
        # What is 0 but for rounding (the bias of keys) has no relative error.
        difference = float((other[1][name] - gradient).norm())
        assert difference <= 1e-5 * float(gradient.norm()) + 1e-7 * scale, name


@pytest.mark.parametrize("pairs", [0, 1000])
@pytest.mark.parametrize("name", PACKED)
def test_loss_and_gradients_are_those_of_padded_rows(kit, monkeypatch, name, pairs):
    monkeypatch.setattr(bins, "PAIRS_PER_GROUP", pairs)
    model, table = tiny(name), kit.token_table(20)
    padded = loss_and_gradients(model, table)
    assert pack(model, table) is not None
    assert_same(padded, loss_and_gradients(model, replace(table, packed=True)))


@pytest.mark.parametrize("name", PACKED)
def test_no_padding_runs_through_the_layers(kit, name):
    model, table = tiny(name), kit.token_table(20)
    packing = pack(model, table)
    ran = []
    for layer in packing._layers:
        for module in layer.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_hook(lambda _, given, __: ran.append(given[0].shape[:-1].numel()))
    SINGLE.outputs(model, collate(replace(table, packed=True), np.arange(12), pad_token_id=0))
    assert set(ran) == ({table.lengths[:12].sum()} if name != "gpt2" else set())


@pytest.mark.parametrize("name", PACKED)
def test_where_sizes_are_to_be_few_loss_and_gradients_are_the_same(kit, monkeypatch, name):
    monkeypatch.setattr(packing, "_new_sizes_are_dear", lambda _: True)
    model, table = tiny(name), kit.token_table(20)
    padded = loss_and_gradients(model, table)
    packed = pack(model, table)
    assert packed is not None
    layouts = []
    packed._layers[-1].register_forward_pre_hook(lambda *_: layouts.append(packed.layout))
    assert_same(padded, loss_and_gradients(model, replace(table, packed=True)))
    assert layouts[0].tokens % 16 == 0
    assert {group.width for group in layouts[0].bins} == {32}


def test_a_layer_that_minds_fillers_gets_none(kit, monkeypatch):
    def fail(_, given):
        if given[0].shape[0] == 1 and given[0].shape[1] % 16 == 0:
            raise ValueError

    monkeypatch.setattr(packing, "_new_sizes_are_dear", lambda _: True)
    model, table = tiny("bert"), kit.token_table(20)
    top, ran = model.bert.encoder.layer[1].output.dense, []
    own = top.register_forward_pre_hook(fail)
    assert pack(model, table) is not None
    own.remove()
    top.register_forward_hook(lambda _, given, __: ran.append(given[0].shape[1]))
    SINGLE.outputs(model, collate(replace(table, packed=True), np.arange(12), pad_token_id=0))
    assert ran == [table.lengths[:12].sum()]
    assert ran[0] % 16


def test_in_bf16_products_come_in_few_sizes(kit):
    model, table = tiny("bert"), kit.token_table(20)
    packed, ran = pack(model, table), set()
    for layer in packed._layers:
        layer.output.dense.register_forward_hook(lambda _, given, __: ran.add(given[0].shape[1]))
    with torch.autocast("cpu", torch.bfloat16):
        for rows in range(4, 20):
            batch = collate(replace(table, packed=True), np.arange(rows), pad_token_id=0)
            SINGLE.loss_sum(model, batch, label_smoothing=0.0).backward()
    assert len(ran) > 2
    assert all(tokens % 16 == 0 for tokens in ran)


@pytest.mark.parametrize("name", PADDED)
def test_other_models_run_with_padding_as_ever(kit, name):
    model, table = tiny(name), kit.token_table(20)
    if name in ("t5", "bart"):
        table.tokens[table.tokens == 2] = 3
        table.tokens[table.offsets[1:] - 1] = 2  # they read the answer where the text ends
    batch = collate(table, np.arange(12), pad_token_id=0)
    before = SINGLE.outputs(model, batch)
    assert pack(model, table) is None
    assert model.config._attn_implementation in ("sdpa", "eager")
    assert all(not m._forward_pre_hooks and not m._forward_hooks for m in model.modules())
    for one, other in zip(before, SINGLE.outputs(model, batch), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("error", [AttributeError, AssertionError, NotImplementedError, ZeroDivisionError])
def test_a_layer_that_fails_on_packed_rows_in_any_way_runs_with_padding(kit, error):
    def fail(_, given):
        if given[0].shape[0] == 1:
            raise error

    model, table = tiny("bert"), kit.token_table(20)
    own = model.bert.encoder.layer[1].output.dense.register_forward_pre_hook(fail)
    assert pack(model, table) is None
    own.remove()
    assert model.config._attn_implementation == "sdpa"
    assert all(not m._forward_pre_hooks and not m._forward_hooks for m in model.modules())
    assert all("packing" not in m.__dict__ for m in model.modules())


def test_relative_positions_of_one_stack_run_with_padding(kit):
    table = with_lists(kit.token_table(20))
    model = tiny("t5", "ForTokenClassification")
    assert pack(model, table, objective=objective_named("token_labels")) is None


def test_attention_that_is_not_ours_to_replace_and_layers_left_to_chance_run_with_padding(kit):
    table = kit.token_table(20)
    assert pack(tiny("bert", attn_implementation="eager"), table) is None
    assert pack(tiny("bert", layerdrop=0.1), table) is None


def test_without_padding_there_is_nothing_to_leave_out(kit):
    given = kit.token_table(20)
    rows = np.array([0, 0, 0, 0])
    length = given.lengths[0]
    table = replace(
        given,
        row_ids=pa.array(["a"] * 4),
        tokens=np.tile(given.row(0), 4),
        offsets=np.arange(5) * length,
        labels=given.labels[rows],
    )
    assert pack(tiny("bert"), table) is None


@pytest.mark.parametrize("objective", ["token_labels", "causal_lm"])
@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_labels_of_tokens_are_found_where_they_are(kit, name, objective):
    if name == "bert" and objective == "causal_lm":
        return
    head = "ForTokenClassification" if objective == "token_labels" else "ForCausalLM"
    model = tiny(name, "LMHeadModel" if (name, objective) == ("gpt2", "causal_lm") else head)
    aim, table = objective_named(objective), with_lists(kit.token_table(20))
    padded = loss_and_gradients(model, table, objective=aim)
    assert pack(model, table, objective=aim) is not None
    assert_same(padded, loss_and_gradients(model, replace(table, packed=True), objective=aim))


def test_what_is_stored_in_bf16_is_cast_without_its_padding(kit, tmp_path):
    model, table = tiny("bert"), kit.token_table(20)
    prefix, tables = start_above(
        model, 1, [table], objective=SINGLE, precision="bf16", memo_gib=1, pad_token_id=0, memos=tmp_path
    )
    assert prefix is not None
    packed, (table,) = leave_out_padding(model, prefix, tables, objective=SINGLE, pad_token_id=0)
    assert packed is not None
    low, top = model.bert.encoder.layer[:2]
    given, taken = [], []
    low.register_forward_hook(lambda _, __, output: given.append(output))
    top.register_forward_pre_hook(lambda _, arguments: taken.append(arguments[0]))
    SINGLE.outputs(model, collate(table, np.arange(12), pad_token_id=0))
    assert (given[0].dtype, given[0].shape[:2]) == (torch.bfloat16, (12, table.lengths[:12].max()))
    assert (taken[0].dtype, taken[0].shape[:2]) == (torch.float32, (1, table.lengths[:12].sum()))


def test_removed_it_leaves_the_model_as_it_was(kit):
    model, table = tiny("bert"), kit.token_table(20)
    batch = collate(table, np.arange(12), pad_token_id=0)
    before, config = SINGLE.outputs(model, batch), model.config.to_dict()
    pack(model, table).remove()
    assert model.config._attn_implementation == "sdpa"
    assert model.config.to_dict() == config
    assert all(not m._forward_pre_hooks and not m._forward_hooks for m in model.modules())
    assert all(torch.equal(a, b) for a, b in zip(before, SINGLE.outputs(model, batch), strict=True))


def test_a_model_that_is_done_with_is_not_kept(kit):
    model, table = tiny("bert"), kit.token_table(20)
    assert pack(model, table) is not None
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_tables_say_whether_their_batches_are_packed(kit):
    tables = [kit.token_table(20), kit.token_table(5, seed=1)]
    packing, found = leave_out_padding(tiny("bert"), None, tables, objective=SINGLE, pad_token_id=0)
    assert packing is not None
    assert [table.packed for table in found] == [True, True]
    packing, found = leave_out_padding(tiny("albert"), None, tables, objective=SINGLE, pad_token_id=0)
    assert packing is None
    assert [table.packed for table in found] == [False, False]
