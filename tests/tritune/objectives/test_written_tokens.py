"""The losses of models that write: transformers' own, and cutting a step changes nothing."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.tritune.objectives.tiny_models import DECODERS, ENCODER_DECODERS, VOCABULARY, tiny
from tritune.objectives import causal_lm, selected_logits, sequence_to_sequence, written_tokens
from tritune.objectives.named import objective_named
from tritune.outputs import Outputs
from tritune.tokens import IGNORED, TokenTable
from tritune.training.batches import collate, pieces


def flat(lists):
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    return np.concatenate([np.asarray(one, dtype=np.int32) for one in lists]), offsets


def table(inputs, labels):
    tokens, offsets = flat(inputs)
    flat_labels, label_offsets = flat(labels)
    return TokenTable(pa.array([""] * len(inputs), pa.string()), tokens, offsets, flat_labels, label_offsets)


def random_table(objective, *, rows=7, seed=3):
    draw = np.random.RandomState(seed)
    inputs = [draw.randint(3, VOCABULARY, size=draw.randint(5, 30)) for _ in range(rows)]
    if objective is sequence_to_sequence:
        return table(inputs, [draw.randint(3, VOCABULARY, size=draw.randint(1, 12)) for _ in range(rows)])
    hidden = [draw.rand(len(row)) < 0.6 for row in inputs]
    for row in hidden:
        row[-1] = False  # transformers calls the mean of no loss not a number
    return table(inputs, [np.where(h, IGNORED, row) for h, row in zip(hidden, inputs, strict=True)])


FAMILIES = [(causal_lm, kind) for kind in DECODERS] + [
    (sequence_to_sequence, kind) for kind in ENCODER_DECODERS
]
names = [kind for _, kind in FAMILIES]


@pytest.mark.parametrize(("objective", "kind"), FAMILIES, ids=names)
def test_one_row_has_the_loss_that_transformers_gives_it(objective, kind):
    model, data = tiny(kind).eval(), random_table(objective)
    for row in range(data.rows):
        batch = collate(data, np.array([row]), pad_token_id=0)
        with torch.no_grad():
            theirs = model(**batch.inputs(), labels=batch.labels).loss * objective.items(data)[row]
            ours = objective.loss_sum(model, batch, label_smoothing=0.0)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("objective", "kind"), FAMILIES, ids=names)
def test_the_loss_and_its_gradient_do_not_depend_on_how_a_step_is_cut(objective, kind):
    data = random_table(objective)
    rows = np.arange(data.rows)
    found = []
    for cut in ([rows], [rows[i : i + 1] for i in rows], pieces(rows, data.lengths)):
        model = tiny(kind).train()
        loss = 0.0
        for piece in cut:
            part = objective.loss_sum(model, collate(data, piece, pad_token_id=0), label_smoothing=0.1)
            part.backward()
            loss += part.item()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        found.append((loss, gradient))
    for (loss, gradient), (other_loss, other_gradient) in pairwise(found):
        assert loss == pytest.approx(other_loss, rel=1e-5)
        torch.testing.assert_close(
            gradient, other_gradient, rtol=1e-4, atol=1e-5 * float(gradient.abs().max())
        )


@pytest.mark.parametrize(("objective", "kind"), FAMILIES, ids=names)
def test_logits_at_chosen_places_only_are_exact_for_every_family(objective, kind):
    model, data = tiny(kind).eval(), random_table(objective)
    batch = collate(data, np.arange(data.rows), pad_token_id=0)
    whole = objective.loss_sum(model, batch, label_smoothing=0.0)
    assert selected_logits._SELECTS[model] is True
    selected_logits._SELECTS[model] = False
    torch.testing.assert_close(
        objective.loss_sum(model, batch, label_smoothing=0.0), whole, rtol=1e-5, atol=1e-5
    )


def test_a_model_whose_places_depend_on_each_other_is_read_whole():
    class Mixing(nn.Linear):
        def forward(self, hidden):
            return super().forward(hidden + hidden.mean(dim=-2, keepdim=True))

    model = tiny("llama").eval()
    head = Mixing(16, VOCABULARY, bias=False)
    head.weight = model.lm_head.weight
    model.set_output_embeddings(head)
    data = random_table(causal_lm, rows=1)
    batch = collate(data, np.array([0]), pad_token_id=0)
    with torch.no_grad():
        ours = causal_lm.loss_sum(model, batch, label_smoothing=0.0)
        logits = model(**batch.inputs()).logits
    assert selected_logits._SELECTS[model] is False
    expected = F.cross_entropy(logits[0, :-1], batch.labels[0, 1:], reduction="sum")
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_trying_a_model_leaves_its_mode_and_all_chance_alone():
    model = tiny("gpt2", dropout=0.5).train()
    model.transformer.h[0].eval()
    modes = [module.training for module in model.modules()]
    data = random_table(causal_lm)
    batch = collate(data, np.arange(data.rows), pad_token_id=0)
    losses = []
    for _ in range(2):  # the first call tries the model, the second does not
        torch.manual_seed(5)
        losses.append(causal_lm.loss_sum(model, batch, label_smoothing=0.0).item())
    assert losses[0] == losses[1]
    assert [module.training for module in model.modules()] == modes


def test_logits_are_only_computed_where_a_label_is():
    model, seen = tiny("llama").eval(), []
    data = table([[5, 6, 7, 8, 9]] * 2, [[IGNORED, IGNORED, 7, 8, IGNORED]] * 2)
    batch = collate(data, np.arange(2), pad_token_id=0)
    causal_lm.outputs(model, batch)
    model.lm_head.register_forward_hook(lambda _, __, logits: seen.append(tuple(logits.shape)))
    causal_lm.outputs(model, batch)
    assert seen == [(1, 4, VOCABULARY)]


def test_a_label_is_predicted_from_the_place_before_it():
    """By hand: token 4 after token 3, by a model whose logits are 10 for the last token's number plus one."""

    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(VOCABULARY, VOCABULARY, bias=False)
            self.head.weight = nn.Parameter(10 * torch.eye(VOCABULARY).roll(1, dims=0))

        def get_output_embeddings(self):
            return self.head

        def forward(self, input_ids, attention_mask, use_cache):  # noqa: ARG002
            return type("", (), {"logits": self.head(F.one_hot(input_ids, VOCABULARY).float())})

    data = table([[3, 4, 9]], [[IGNORED, 4, 9]])
    [[sums]] = causal_lm.outputs(Counter(), collate(data, np.array([0]), pad_token_id=0))
    right, wrong = np.log(1 + (VOCABULARY - 1) * np.exp(-10.0)), np.log(np.exp(10.0) + VOCABULARY - 1)
    assert sums.tolist() == pytest.approx([right + wrong, 2])


@pytest.mark.parametrize(("objective", "kind"), FAMILIES, ids=names)
def test_the_mean_loss_is_over_terms_whatever_the_batches(objective, kind, monkeypatch):
    model, data = tiny(kind).eval(), random_table(objective)
    rows = np.arange(data.rows)
    with torch.inference_mode():
        found = [o for r in rows for o in objective.outputs(model, collate(data, r[None], pad_token_id=0))]
        total = sum(
            objective.loss_sum(model, collate(data, r[None], pad_token_id=0), label_smoothing=0.0).item()
            for r in rows
        )
        # So small that each row's logits are computed alone, though all rows come at once.
        monkeypatch.setattr(selected_logits, "LOGITS_AT_ONCE", 1)
        together = objective.outputs(model, collate(data, rows, pad_token_id=0))
    if objective is sequence_to_sequence:
        assert [tuple(one.shape) for one in found] == [(1, 2)] * data.rows
    torch.testing.assert_close(torch.cat(found), torch.cat(together), rtol=1e-4, atol=1e-4)
    outputs = Outputs(torch.cat(found).numpy(), np.cumsum([0, *map(len, found)]))
    assert objective.mean_loss(outputs, data) == pytest.approx(total / objective.items(data).sum(), rel=1e-5)
    assert [outputs.row(row)[:, 1].sum() for row in rows] == objective.items(data).tolist()


def test_items_are_labelled_tokens_and_the_first_token_of_a_row_never_is_one():
    data = table([[5, 6, 7], [8], [9, 9]], [[5, 6, IGNORED], [8], [IGNORED, 9]])
    assert causal_lm.items(data).tolist() == [1, 0, 1]
    answers = table([[5], [6], [7]], [[5, 1], [1], [7, 8, 1]])
    assert sequence_to_sequence.items(answers).tolist() == [2, 1, 3]


def test_a_batch_without_a_term_has_no_loss_and_can_be_learnt_from():
    model = tiny("llama")
    data = table([[5, 6, 7]], [[IGNORED] * 3])
    batch = collate(data, np.array([0]), pad_token_id=0)
    loss = causal_lm.loss_sum(model, batch, label_smoothing=0.1)
    loss.backward()
    assert loss.item() == 0
    assert [tuple(one.shape) for one in causal_lm.outputs(model, batch)] == [(0, 2)]
    assert causal_lm.mean_loss(Outputs(np.zeros((0, 2), np.float32), np.array([0, 0])), data) == 0


def test_each_run_of_labelled_tokens_has_its_own_sum():
    model = tiny("llama").eval()
    tokens = [5, 6, 7, 8, 9, 10]
    both = table([tokens, tokens], [[-100, 6, 7, -100, 9, 10], [-100, -100, -100, -100, -100, 10]])
    alone = table([tokens] * 3, [[-100, 6, 7, *[-100] * 3], [*[-100] * 4, 9, 10], [*[-100] * 5, 10]])
    with torch.no_grad():
        first, second = causal_lm.outputs(model, collate(both, np.arange(2), pad_token_id=0))
        apart = causal_lm.outputs(model, collate(alone, np.arange(3), pad_token_id=0))
    assert first[:, 1].tolist() == [2, 2]
    torch.testing.assert_close(torch.cat([first, second]), torch.cat(apart), rtol=1e-5, atol=1e-5)


def test_smoothing_is_torchs():
    model, data = tiny("gpt2").eval(), random_table(causal_lm, rows=1)
    batch = collate(data, np.array([0]), pad_token_id=0)
    with torch.no_grad():
        logits = model(**batch.inputs()).logits[0, :-1]
        ours = causal_lm.loss_sum(model, batch, label_smoothing=0.2)
    theirs = F.cross_entropy(logits, batch.labels[0, 1:], label_smoothing=0.2, reduction="sum")
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_only_models_that_write_have_a_limit_of_logits_at_once():
    assert selected_logits.places_at_once(tiny("llama")) == selected_logits.LOGITS_AT_ONCE // VOCABULARY
    assert selected_logits.places_at_once(nn.Linear(2, 2)) is None


def test_rows_are_taken_together_up_to_the_limit():
    cut = written_tokens._few_at_once([3, 3, 9, 1, 1], most=6)
    assert [(one.start, one.stop) for one in cut] == [(0, 2), (2, 3), (3, 5)]


def test_both_objectives_are_known_by_name():
    assert objective_named("causal_lm").auto_class == "AutoModelForCausalLM"
    assert objective_named("sequence_to_sequence").auto_class == "AutoModelForSeq2SeqLM"
