"""Training from what the frozen layers gave once is training with them, but for rounding."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from tests.tritune.training.tiny_sizes import BERT, DEBERTA_V2, DISTILBERT, ELECTRA, GEMMA3, GPT2, LLAMA
from tritune.objectives.named import objective_named
from tritune.training import prefix_memo
from tritune.training.batches import collate
from tritune.training.prefix_memo import fill_memo, memo_bytes, memo_key, read_memo
from tritune.training.stored_prefix import frozen_depth, passing_prefix

SINGLE = objective_named("single_label")
SIZES = {"vocab_size": 40, "num_labels": 3, "pad_token_id": 0}
CONFIGS = {
    "bert": ("Bert", BERT),
    "roberta": ("Roberta", BERT),
    "electra": ("Electra", ELECTRA),
    "distilbert": ("DistilBert", DISTILBERT),
    "deberta-v2": ("DebertaV2", DEBERTA_V2),
    "modernbert": ("ModernBert", {**BERT, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1}),
    "gpt2": ("GPT2", GPT2),
    "llama": ("Llama", LLAMA),
    "gemma3": ("Gemma3Text", {**GEMMA3, "sliding_window": 8}),
}


def tiny(name: str, head: str = "ForSequenceClassification") -> torch.nn.Module:
    family, sizes = CONFIGS[name]
    config = getattr(transformers, f"{family}Config")(**SIZES, **sizes)
    torch.manual_seed(0)
    return getattr(transformers, f"{family.removesuffix('Text')}{head}")._from_config(config)


def low(model: torch.nn.Module, depth: int):
    """Whether a tensor is in the embeddings or in one of the lowest layers."""
    from tritune.models.layers import take_apart

    parts = take_apart(model).parts
    layers = [part for part in parts if part.role == "layer"][:depth]
    parts = [part for part in parts if part.role == "embeddings"] + layers
    return {tensor.name for part in parts for tensor in part.tensors}.__contains__


def remembered(table, folder, *, model, prefix, precision="fp32"):
    path = folder / f"{memo_key(model, prefix, table, precision=precision)}.npy"
    steps = fill_memo(
        path,
        model=model,
        prefix=prefix,
        table=table,
        pad_token_id=0,
        device=torch.device("cpu"),
        precision=precision,
    )
    assert list(steps)[-1] == len(table.tokens)
    memo = read_memo(path)
    assert path.stat().st_size >= memo_bytes(table, width=prefix.width, precision=precision) == memo.nbytes
    return replace(table, prefix_output=memo)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_gives_the_same_from_there(kit, tmp_path, name, depth):
    model = tiny(name).eval()
    table = kit.token_table(20)
    rows = np.array([3, 0, 7])
    with torch.no_grad():
        expected = SINGLE.outputs(model, collate(table, rows, pad_token_id=0))
        prefix = passing_prefix(
            model,
            frozen_depth(model, kit.plan_for(model, frozen=low(model, depth))),
            table,
            objective=SINGLE,
            pad_token_id=0,
        )
        assert prefix.depth == depth
        batch = collate(remembered(table, tmp_path, model=model, prefix=prefix), rows, pad_token_id=0)
        ran = []
        for layer in prefix._layers:
            next(
                m for m in layer.modules() if isinstance(m, torch.nn.Linear | torch.nn.LayerNorm)
            ).register_forward_hook(lambda *_: ran.append(1))
        found = SINGLE.outputs(model, batch)
        assert not ran
        prefix.remove()
        again = SINGLE.outputs(model, collate(table, rows, pad_token_id=0))
    for one, other, third in zip(expected, found, again, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)
        assert torch.equal(third, one)


def count_runs(module):
    runs = []
    module.register_forward_hook(lambda *_: runs.append(1))
    return runs


def test_the_embeddings_do_not_run_either(kit, tmp_path):
    model, table = tiny("bert").eval(), kit.token_table(20)
    prefix = passing_prefix(model, 2, table, objective=SINGLE, pad_token_id=0)
    stored = remembered(table, tmp_path, model=model, prefix=prefix)
    runs = count_runs(model.bert.embeddings.word_embeddings)
    SINGLE.outputs(model, collate(stored, np.arange(3), pad_token_id=0))
    assert not runs
    SINGLE.outputs(model, collate(table, np.arange(3), pad_token_id=0))
    assert runs == [1]


def test_embeddings_that_something_else_needs_run_each_time(kit, tmp_path):
    model, table, embedded = tiny("bert").eval(), kit.token_table(20), []
    model.bert.embeddings.register_forward_hook(lambda _, __, output: embedded.append(output))
    top = model.bert.encoder.layer[-1].output.dense
    top.register_forward_hook(lambda _, __, output: output + embedded[-1])
    rows = np.arange(3)
    with torch.no_grad():
        expected = SINGLE.outputs(model, collate(table, rows, pad_token_id=0))
        prefix = passing_prefix(model, 2, table, objective=SINGLE, pad_token_id=0)
        stored = remembered(table, tmp_path, model=model, prefix=prefix)
        runs = count_runs(model.bert.embeddings.word_embeddings)
        found = SINGLE.outputs(model, collate(stored, rows, pad_token_id=0))
    assert runs == [1]
    torch.testing.assert_close(torch.cat(found), torch.cat(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_language_model_writes_the_same_from_there(kit, tmp_path, name):
    writes = objective_named("causal_lm")
    model = tiny(name, "ForCausalLM" if name == "llama" else "LMHeadModel").eval()
    given = kit.token_table(20)
    table = replace(given, labels=given.tokens, label_offsets=given.offsets)
    plan = kit.plan_for(model, frozen=low(model, 2))
    prefix = passing_prefix(model, frozen_depth(model, plan), table, objective=writes, pad_token_id=0)
    assert prefix.depth == 2
    rows = np.array([3, 0, 7])
    stored = remembered(table, tmp_path, model=model, prefix=prefix)
    losses = [
        writes.loss_sum(model, collate(one, rows, pad_token_id=0), label_smoothing=0.0)
        for one in (table, stored)
    ]
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=1e-6)


def trained(kit, tmp_path, *, stores: bool, precision: str = "fp32", **settings):
    model = tiny("bert")
    plan = kit.plan_for(model, frozen=low(model, 2), lr=5e-3)
    run = kit.Run(model, plan, precision=precision, **settings)
    if stores:
        prefix = passing_prefix(
            model, frozen_depth(model, plan), run.training, objective=SINGLE, pad_token_id=0
        )
        same = {"model": model, "prefix": prefix, "precision": precision}
        run.training = remembered(run.training, tmp_path, **same)
        run.validation = remembered(run.validation, tmp_path, **same)
    return run.finish()


def test_the_losses_are_those_of_the_whole_model(kit, tmp_path):
    whole, stored = (trained(kit, tmp_path, stores=stores, epochs=3) for stores in (False, True))
    for one, other in zip(whole.state.history, stored.state.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)
        assert other["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-5)


def test_in_bf16_they_are_within_two_percent(kit, tmp_path):
    whole, stored = (trained(kit, tmp_path, stores=s, precision="bf16", epochs=3) for s in (False, True))
    for one, other in zip(whole.state.history, stored.state.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)


def test_two_trainings_from_two_memos_have_the_same_bytes(kit, tmp_path):
    one, other = (trained(kit, tmp_path / name, stores=True) for name in ("one", "other"))
    assert one.weights() == other.weights()


def test_a_memo_is_known_by_all_that_it_depends_on(kit):
    def key(*, seed: int = 0, depth: int = 2, precision: str = "fp32", change=None) -> str:
        model = tiny("bert")
        if change is not None:
            with torch.no_grad():
                dict(model.named_parameters())[change].add_(1)
        table = kit.token_table(20, seed=seed)
        plan = kit.plan_for(model, frozen=low(model, depth))
        prefix = passing_prefix(model, frozen_depth(model, plan), table, objective=SINGLE, pad_token_id=0)
        return memo_key(model, prefix, table, precision=precision)

    assert key() == key()
    others = [
        key(seed=1),
        key(depth=1),
        key(precision="bf16"),
        key(change="bert.embeddings.word_embeddings.weight"),
        key(change="bert.encoder.layer.1.output.dense.weight"),
    ]
    assert len({key(), *others}) == 6
    # What learns makes no difference, so methods, seeds and rates share it.
    assert key(change="bert.encoder.layer.2.output.dense.weight") == key(change="classifier.weight") == key()


def test_a_memo_of_another_version_of_the_code_is_another(kit, monkeypatch, tmp_path):
    model, table = tiny("bert"), kit.token_table(20)
    prefix = passing_prefix(model, 2, table, objective=SINGLE, pad_token_id=0)
    shutil.copytree(prefix_memo.CODE, tmp_path / "code")
    here = memo_key(model, prefix, table, precision="fp32")
    monkeypatch.setattr(prefix_memo, "CODE", tmp_path / "code")
    assert memo_key(model, prefix, table, precision="fp32") == here
    with (tmp_path / "code/attention.py").open("a") as file:
        file.write("# changed\n")
    assert memo_key(model, prefix, table, precision="fp32") != here


def test_no_prefix_where_the_lowest_learns_or_layers_are_shared(kit):
    table = kit.token_table(20)
    model = tiny("bert")
    assert (
        passing_prefix(
            model, frozen_depth(model, kit.plan_for(model)), table, objective=SINGLE, pad_token_id=0
        )
        is None
    )
    only_first = kit.plan_for(model, frozen=lambda name: "layer.0." in name)
    assert frozen_depth(model, only_first) == 0
    albert = transformers.AlbertForSequenceClassification(
        transformers.AlbertConfig(**SIZES, **BERT, embedding_size=16)
    )
    plan = kit.plan_for(albert, frozen=lambda name: not name.startswith("classifier"))
    assert passing_prefix(albert, frozen_depth(albert, plan), table, objective=SINGLE, pad_token_id=0) is None


def test_layers_that_hand_on_more_than_hidden_states_run_as_ever(kit):
    t5 = transformers.T5ForSequenceClassification(
        transformers.T5Config(
            **SIZES,
            d_model=32,
            d_kv=16,
            d_ff=64,
            num_layers=2,
            num_heads=2,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
    )
    plan = kit.plan_for(t5, frozen=low(t5, 1))
    table = kit.token_table(20)
    assert passing_prefix(t5, frozen_depth(t5, plan), table, objective=SINGLE, pad_token_id=0) is None


@pytest.mark.parametrize("error", [AttributeError, AssertionError, RuntimeError])
def test_a_model_that_fails_from_there_in_any_way_runs_as_a_whole(kit, error):
    model, ran = tiny("bert"), []

    def fail(*_):
        ran.append(1)
        if len(ran) > 1:
            raise error

    own = model.bert.encoder.layer[2].register_forward_pre_hook(fail)
    assert passing_prefix(model, 2, kit.token_table(20), objective=SINGLE, pad_token_id=0) is None
    own.remove()
    assert len(ran) == 3  # as a whole, above zeros, above the embeddings
    assert model.training
    assert all(not m._forward_pre_hooks and not m._forward_hooks for m in model.modules())
    assert all("forward" not in m.__dict__ for m in model.modules())
