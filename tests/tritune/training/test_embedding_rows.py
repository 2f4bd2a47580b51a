"""Training the rows of an embedding that can learn is training all of them, but for rounding."""

from dataclasses import replace

import pytest
import torch

from tritune.plan.tuning_plan import Phase
from tritune.training.batches import steps_per_epoch
from tritune.training.embedding_rows import cut_embedding, left_of_unseen

UNSEEN = [1, 2, 3]
"""Of the 40 tokens these are in no row; those above them change their place."""


def table(kit, rows: int = 20, *, seed: int = 0):
    given = kit.token_table(rows, seed=seed)
    return replace(given, tokens=given.tokens + len(UNSEEN))


def run_of(kit, net, plan, **settings):
    run = kit.Run(net, plan, **settings)
    run.training, run.validation = table(kit, 50, seed=1), table(kit, seed=2)
    return run


def whole_and_cut(
    kit, model: str, *, phases: tuple[Phase, ...] = (), scores: tuple[float, ...] = (), **settings
):
    """Train twice; return both runs, the embedding's weights before, and the cut one's number of rows."""
    runs = []
    for cuts in (False, True):
        net = kit.MODELS[model](dropout=0.0)
        before = net.get_input_embeddings().weight.detach().clone()
        plan = kit.plan_for(net, lr=1e-2, phases=phases)
        prepared = run_of(kit, net, plan, weight_decay=0.5, **settings)
        cut = cut_embedding(net, plan, (prepared.training, prepared.validation)) if cuts else None
        if scores:
            settings["score"] = scripted(scores)
        run = run_of(kit, net, plan, weight_decay=0.5, **settings).finish()
        rows = len(net.get_input_embeddings().weight)
        if cut is not None:
            total = run.settings.epochs * steps_per_epoch(50, batch_size=8)
            steps = int(run.state.history[run.state.best_epoch - 1]["step"])
            left = left_of_unseen(plan, cut.name, settings=run.settings, steps=steps, total=total)
            cut.put_back(left=left)
        runs.append(run)
    return (*runs, before, rows)


def scripted(values: tuple[float, ...]):
    left = iter(values)
    return lambda _: {"macro_f1": next(left)}


def assert_same_weights(one, other) -> None:
    expected, found = dict(one.state.model.named_parameters()), dict(other.state.model.named_parameters())
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("model", ["bert", "distilbert"])
def test_losses_and_weights_are_those_of_the_whole(kit, model):
    whole, cut, before, rows = whole_and_cut(kit, model)
    assert rows == 40 - len(UNSEEN)
    for one, other in zip(whole.state.history, cut.state.history, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)
        assert one["validation_loss"] == pytest.approx(other["validation_loss"], rel=1e-5)
    assert_same_weights(whole, cut)
    after = cut.state.model.get_input_embeddings().weight
    # Weight decay is all that happens to them, and it does happen.
    assert (after[UNSEEN].abs() < 0.99 * before[UNSEEN].abs()).all()


def test_what_is_put_back_is_the_best_epochs(kit):
    whole, cut, _, _ = whole_and_cut(kit, "bert", epochs=3, scores=(0.9, 0.5, 0.4))
    assert cut.state.best_epoch == 1
    assert_same_weights(whole, cut)


def test_rows_decay_only_while_the_plan_lets_them_learn(kit):
    phases = (Phase(0.0, ("head",)), Phase(0.5, ("body", "head")))
    whole, cut, _, _ = whole_and_cut(kit, "bert", epochs=2, phases=phases)
    assert_same_weights(whole, cut)
    net = kit.MODELS["bert"]()
    plan = kit.plan_for(net, lr=1e-2, phases=phases)
    name = "bert.embeddings.word_embeddings.weight"
    assert left_of_unseen(plan, name, settings=cut.settings, steps=7, total=14) == 1.0
    assert left_of_unseen(plan, name, settings=cut.settings, steps=14, total=14) < 1.0


def test_the_optimizer_holds_no_row_that_nothing_looks_up(kit):
    net = kit.MODELS["bert"]()
    plan = kit.plan_for(net)
    run = run_of(kit, net, plan)
    cut = cut_embedding(net, plan, (run.training,))
    run = run_of(kit, net, plan, epochs=1).finish()
    assert run.state.optimizer.state[net.get_input_embeddings().weight]["exp_avg"].shape == (37, 32)
    cut.put_back(left=1.0)
    assert net.get_input_embeddings().weight.shape == (40, 32)
    assert net.get_input_embeddings().padding_idx == 0


def test_another_token_finds_no_row_rather_than_a_wrong_one(kit):
    net = kit.MODELS["bert"]()
    assert cut_embedding(net, kit.plan_for(net), (table(kit),)) is not None
    with pytest.raises(IndexError):
        net(input_ids=torch.tensor([[9, UNSEEN[0]]]))


def test_special_tokens_of_the_config_stay(kit):
    net = kit.MODELS["bert"]()
    net.config.eos_token_id = [2, 3]
    assert cut_embedding(net, kit.plan_for(net), (table(kit),)) is not None
    net(input_ids=torch.tensor([[9, 2, 3, 0]]))


def test_a_frozen_matrix_stays_whole(kit):
    net = kit.MODELS["bert"]()
    plan = kit.plan_for(net, frozen=lambda name: "embeddings" in name)
    assert cut_embedding(net, plan, (table(kit),)) is None


def test_what_writes_text_keeps_every_row(kit):
    from transformers import GPT2Config, GPT2LMHeadModel

    net = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=32, n_layer=1, n_head=2, n_positions=32))
    assert cut_embedding(net, kit.plan_for(net), (table(kit),)) is None


def test_a_matrix_that_two_modules_share_stays_whole(kit):
    net = kit.MODELS["bert"]()
    net.twin = torch.nn.Embedding(40, 32)
    net.twin.weight = net.get_input_embeddings().weight
    assert cut_embedding(net, kit.plan_for(net), (table(kit),)) is None


def test_a_cut_look_up_is_tried_before_it_is_trusted(kit):
    class Shifting(torch.nn.Embedding):
        """Looks at the ids itself, as some models' embeddings do."""

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return super().forward(ids) * ids[..., None]

    net = kit.MODELS["bert"]()
    matrix = Shifting(40, 32)
    net.set_input_embeddings(matrix)
    before = matrix.weight.detach().clone()
    assert cut_embedding(net, kit.plan_for(net), (table(kit),)) is None
    assert torch.equal(matrix.weight, before)
