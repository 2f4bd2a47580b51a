"""Layers that keep no activations give the same bytes; only the memory in between is another."""

import pytest
import torch
import transformers

from tests.tritune.training.tiny_sizes import BERT, DISTILBERT, ELECTRA, GPT2, LLAMA
from tritune.objectives.named import objective_named
from tritune.training.batches import collate
from tritune.training.cache_off import CacheOff
from tritune.training.recompute import recompute_layers
from tritune.training.reduced import keep_no_activations

SINGLE = objective_named("single_label")
SIZES = {"vocab_size": 40, "num_labels": 3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
FAMILIES = {
    "Bert": BERT,
    "Electra": ELECTRA,
    "DistilBert": DISTILBERT,
    "GPT2": GPT2,
    "Llama": LLAMA,
    "ModernBert": {**BERT, "cls_token_id": 1, "sep_token_id": 2, "local_attention": 4},
}


def tiny(family: str) -> torch.nn.Module:
    """In training mode, with dropout where the family has some."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**SIZES, **FAMILIES[family])
    return getattr(transformers, f"{family}ForSequenceClassification")._from_config(config).train()


def loss_and_gradients(model, batch):
    model.zero_grad()
    torch.manual_seed(5)
    loss = SINGLE.loss_sum(model, batch, label_smoothing=0.0)
    loss.backward()
    return [loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_the_same_bit_for_bit_with_dropout(kit, family):
    model, batch = tiny(family), collate(kit.token_table(12), torch.arange(12).numpy(), pad_token_id=0)
    expected = loss_and_gradients(model, batch)
    CacheOff(model)
    recomputed = recompute_layers(model, above=0, packing=None)
    found = loss_and_gradients(model, batch)
    assert all(map(torch.equal, found, expected))
    recomputed.remove()
    assert all(map(torch.equal, loss_and_gradients(model, batch), expected))


def inner_sizes(model, batch) -> list[int]:
    """Return the elements of each tensor that a forward pass keeps for the way back."""
    kept: list[int] = []

    def keep(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        SINGLE.loss_sum(model, batch, label_smoothing=0.0)
    return kept


def test_what_is_inside_a_layer_is_not_kept(kit):
    model, batch = tiny("Bert"), collate(kit.token_table(12), torch.arange(12).numpy(), pad_token_id=0)
    every = sum(inner_sizes(model, batch))
    CacheOff(model)
    recompute_layers(model, above=0, packing=None)
    assert sum(inner_sizes(model, batch)) < every / 3


def trained(kit, tmp_path, *, frozen, recompute):
    """The weights and the history of a whole training, with all that is left out of one."""
    model = kit.tiny_bert()
    plan = kit.plan_for(model, frozen=frozen)
    reduced, run = kit.reduced_run(model, plan, tmp_path, memo_gib=1.0, recompute=recompute)
    return reduced.training.packed, run.state.history, run.weights()


def lowest(name: str) -> bool:
    return ".embeddings." in name or "layer.0." in name


def highest(name: str) -> bool:
    return "layer.1." in name


@pytest.mark.parametrize("frozen", [lambda _: False, lowest, highest], ids=["nothing", "prefix", "between"])
def test_a_training_ends_with_the_same_bytes_whatever_is_frozen(kit, tmp_path, frozen):
    plain = trained(kit, tmp_path / "plain", frozen=frozen, recompute=False)
    again = trained(kit, tmp_path / "again", frozen=frozen, recompute=True)
    assert plain[0]  # rows lie end to end
    assert again == plain


def test_a_model_of_two_stacks_is_left_as_it_is_and_that_is_said(capsys):
    config = transformers.T5Config(
        **SIZES, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0
    )
    model = transformers.T5ForConditionalGeneration._from_config(config)
    assert keep_no_activations(model, None, None) is None
    assert capsys.readouterr().out == (
        "compute.recompute_activations changes nothing here: the model has no single stack of layers above "
        "what is frozen\n"
    )
