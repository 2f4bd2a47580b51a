from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tritune.errors import InputError
from tritune.plan.tuning_plan import Phase
from tritune.training.batches import collate, epoch_batches
from tritune.training.loop import phase_starts

MODELS = ["bert", "distilbert"]


def low(name: str) -> bool:
    """The embeddings and the lower of the two layers."""
    return ".embeddings." in name or "layer.0." in name


@pytest.mark.parametrize("model", MODELS)
def test_it_learns(kit, model):
    net = kit.MODELS[model]()
    run = kit.Run(net, kit.plan_for(net, lr=5e-3), epochs=8, rows=80).finish()
    assert run.state.history[0]["train_loss"] > 0.9
    assert run.state.history[-1]["train_loss"] < 0.3
    assert run.state.best_score > 0.8


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(kit):
    def weights(seed: int) -> dict[str, bytes]:
        net = kit.tiny_bert()
        return kit.Run(net, kit.plan_for(net), seed=seed).finish().weights()

    assert weights(1) == weights(1)
    assert weights(1) != weights(2)


@pytest.mark.parametrize("model", MODELS)
def test_frozen_bytes_stay_and_the_others_move(kit, model):
    net = kit.MODELS[model]()
    before = {name: p.detach().numpy().tobytes() for name, p in net.named_parameters()}
    after = kit.Run(net, kit.plan_for(net, frozen=low, lr=1e-2)).finish().weights()
    for name, value in before.items():
        assert (after[name] == value) == low(name), name


def test_one_step_is_adamw_by_hand(kit):
    lr, decay = 1e-2, 0.1
    net = kit.tiny_bert(dropout=0.0)
    old = {name: p.detach().clone() for name, p in net.named_parameters()}
    reference = kit.tiny_bert(dropout=0.0)
    run = kit.Run(
        net,
        kit.plan_for(net, lr=lr),
        rows=8,
        epochs=1,
        weight_decay=decay,
        warmup_fraction=0.0,
        max_grad_norm=1e9,
    )
    batch = collate(run.training, np.arange(8), pad_token_id=0)
    logits = reference(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    F.cross_entropy(logits, batch.labels).backward()
    run.finish()
    for name, parameter in net.named_parameters():
        gradient = dict(reference.named_parameters())[name].grad
        rate = 2 * lr if kit.part_of(name, lambda _: False) == "head" else lr
        # First step of Adam: both moments' bias corrections cancel, and the update is the gradient's sign,
        # softened by epsilon.
        expected = old[name] * (1 - rate * (decay if parameter.ndim > 1 else 0))
        expected = expected - rate * gradient / (gradient.abs() + 1e-8)
        # Gradients near epsilon turn rounding into differences of the size of the rate.
        clear = gradient.abs() > 1e-5
        torch.testing.assert_close(parameter[clear], expected[clear], rtol=1e-4, atol=1e-5)


def test_gradients_are_clipped_to_the_norm(kit, monkeypatch):
    norms = []
    original = torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        # The fused step divides by this, as for GradScaler.
        grads = [p.grad / self.grad_scale for group in self.param_groups for p in group["params"]]
        norms.append(torch.norm(torch.stack([g.norm() for g in grads])).item())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    net = kit.tiny_bert()
    kit.Run(net, kit.plan_for(net), epochs=1, max_grad_norm=0.01).finish()
    assert norms
    assert max(norms) == pytest.approx(0.01, rel=1e-3)


def test_a_step_does_not_depend_on_how_it_is_cut_into_pieces(kit, monkeypatch):
    from tritune.training import batches

    def losses(padding: int) -> list[float]:
        monkeypatch.setattr(batches, "PADDING_PER_PIECE", padding)
        net = kit.tiny_bert(dropout=0.0)
        run = kit.Run(net, kit.plan_for(net, lr=1e-3), rows=32, epochs=2)
        return [moment.loss.item() for moment in run.moments()]

    in_one = losses(10**6)
    by_length = losses(0)
    assert by_length == pytest.approx(in_one, rel=1e-5)


def first_loss(kit, **changes) -> tuple[float, float]:
    """The loss of the first step, and of the same step as plain cross entropy without dropout."""
    net = kit.tiny_bert(dropout=0.0)
    run = kit.Run(net, kit.plan_for(net), rows=16, **changes)
    rows = epoch_batches(run.training.rows, batch_size=8, seed=run.seed, epoch=0)[0]
    batch = collate(run.training, rows, pad_token_id=0)
    logits = net(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    plain = F.cross_entropy(logits, batch.labels).item()
    return next(run.moments()).loss.item(), plain


def test_label_smoothing_0_is_plain_cross_entropy(kit):
    loss, plain = first_loss(kit, label_smoothing=0.0)
    assert loss == pytest.approx(plain, rel=1e-6)
    smoothed, plain = first_loss(kit, label_smoothing=0.2)
    assert smoothed != pytest.approx(plain, rel=1e-6)


def test_bf16_changes_the_arithmetic_but_not_the_weights_type(kit):
    full, _ = first_loss(kit)
    half, _ = first_loss(kit, precision="bf16")
    assert half != full
    assert half == pytest.approx(full, rel=2e-2)
    net = kit.tiny_bert()
    kit.Run(net, kit.plan_for(net), precision="bf16", epochs=1).finish()
    assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_train_loss_is_the_mean_over_the_rows_of_the_epoch(kit):
    net = kit.tiny_bert(dropout=0.0)
    run = kit.Run(net, kit.plan_for(net, lr=1e-9), rows=21, epochs=1).finish()
    batch = collate(run.training, np.arange(21), pad_token_id=0)
    logits = kit.tiny_bert(dropout=0.0)(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    assert run.state.history[0]["train_loss"] == pytest.approx(
        F.cross_entropy(logits, batch.labels).item(), rel=1e-5
    )


def test_the_history_names_every_metric_and_the_highest_rate(kit):
    net = kit.tiny_bert()
    run = kit.Run(net, kit.plan_for(net, lr=1e-3), rows=16, epochs=2, warmup_fraction=0.0).finish()
    assert list(run.state.history[0]) == [
        "epoch",
        "step",
        "learning_rate",
        "train_loss",
        "validation_loss",
        "validation_negative_log_likelihood",
        "validation_accuracy",
        "validation_macro_f1",
        "validation_weighted_f1",
        "validation_matthews_correlation",
        "validation_expected_calibration_error",
    ]
    assert [row["step"] for row in run.state.history] == [2, 4]
    # The head learns at twice the body's 1e-3; the second of four linear steps is at 3/4.
    assert [row["learning_rate"] for row in run.state.history] == pytest.approx([1.5e-3, 0.5e-3])


def test_watching_training_rows_changes_neither_losses_nor_weights(kit):
    def run(*, watches: bool):
        net = kit.tiny_bert(dropout=0.3)
        return kit.Run(net, kit.plan_for(net), watches=watches).finish()

    plain, watched = run(watches=False), run(watches=True)
    assert watched.weights() == plain.weights()
    added = ["train_slice_loss", "train_slice_macro_f1", "train_slice_examples"]
    assert list(watched.state.history[0]) == [*plain.state.history[0], *added]
    for one, other in zip(plain.state.history, watched.state.history, strict=True):
        assert one == {name: value for name, value in other.items() if name not in added}


def test_training_rows_are_watched_in_evaluation_mode(kit):
    """With a rate of nearly nothing the model stays as it was: its own loss can be asked for again."""
    net = kit.tiny_bert(dropout=0.5)
    run = kit.Run(net, kit.plan_for(net, lr=1e-12), rows=30, epochs=1, watches=True).finish()
    batch = collate(run.train_slice.table, np.arange(15), pad_token_id=0)
    net.eval()
    logits = net(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    row, parts = run.state.history[0], run.state.loss_parts[0]
    assert row["train_slice_loss"] == pytest.approx(F.cross_entropy(logits, batch.labels).item(), rel=1e-5)
    assert row["train_slice_examples"] == 15
    assert sum(parts["train_slice_loss_parts"]) == pytest.approx(row["train_slice_loss"])
    assert sum(parts["validation_loss_parts"]) == pytest.approx(row["validation_loss"])


def scripted(values: list[float]):
    """A score that takes the given values epoch by epoch."""
    waiting = iter(values)

    def score(_outputs):
        value = next(waiting)
        return {"accuracy": 0.5, "macro_f1": value, "negative_log_likelihood": value}

    return score


@pytest.mark.parametrize(
    ("monitor", "scores", "best", "epochs_run"),
    [
        ("macro_f1", [0.1, 0.3, 0.2, 0.3, 0.2], 2, 4),
        ("macro_f1", [0.1, 0.2, 0.3, 0.4, 0.5], 5, 5),
        ("negative_log_likelihood", [0.5, 0.3, 0.4, 0.2, 0.3], 4, 5),
        ("negative_log_likelihood", [0.1, 0.2, 0.3, 0.4, 0.5], 1, 3),
    ],
)
def test_the_best_epoch_is_kept_and_patience_ends_the_training(kit, monitor, scores, best, epochs_run):
    net = kit.tiny_bert()
    run = kit.Run(
        net, kit.plan_for(net), epochs=5, patience=2, monitor=monitor, score=scripted(scores), rows=16
    )
    at_epoch = {}
    for moment in run.moments():
        if moment.scores is not None:
            at_epoch[moment.epoch] = run.weights()
    assert len(run.state.history) == epochs_run
    assert run.state.best_epoch == best
    assert run.weights() == at_epoch[best]


def test_a_loss_that_is_not_finite_ends_the_training(kit):
    net = kit.tiny_bert()
    run = kit.Run(net, kit.plan_for(net, lr=0.5), rows=40, epochs=1)
    moments = run.moments()
    next(moments)
    with torch.no_grad():
        net.classifier.bias.fill_(float("nan"))
    with pytest.raises(InputError) as error:
        list(moments)
    assert str(error.value) == (
        "the training loss is not a finite number at step 2 (highest peak learning rate 1); "
        "set a lower lr for this method in params.yaml, for example 0.1"
    )


def test_phases_start_where_the_plan_says(kit):
    net = kit.tiny_bert()
    phases = (Phase(0.0, ("head",)), Phase(0.5, ("body", "head")))
    plan = kit.plan_for(net, lr=1e-2, phases=phases)
    starts = phase_starts(plan, total_steps=10)
    assert {step: len(names) for step, names in starts.items()} == {
        0: 2,
        5: len(list(net.named_parameters())),
    }
    before = {name: p.detach().numpy().tobytes() for name, p in net.named_parameters()}
    run = kit.Run(net, plan, rows=40, epochs=2)
    for moment in run.moments():
        moved = {name for name, value in run.weights().items() if value != before[name]}
        assert moved == {"classifier.weight", "classifier.bias"} or moment.step > 5
    assert len(moved) > 10


def test_a_part_that_learns_only_in_part_keeps_the_rest_frozen(kit):
    net = kit.tiny_bert()
    plan = kit.plan_for(net, frozen=lambda name: name == "classifier.weight")
    groups = tuple(replace(group, name="head") if group.lr is None else group for group in plan.groups)
    starts = phase_starts(replace(plan, groups=groups), total_steps=4)
    assert "classifier.weight" not in starts[0]
    assert "classifier.bias" in starts[0]


def test_dropout_of_the_frozen_part_is_off_while_training(kit):
    net = kit.tiny_bert(dropout=0.5)
    run = kit.Run(net, kit.plan_for(net, frozen=low), rows=16, epochs=1)
    next(run.moments())
    assert not net.bert.embeddings.dropout.training
    assert not net.bert.encoder.layer[0].output.dropout.training
    assert net.bert.encoder.layer[1].output.dropout.training
    assert net.dropout.training


def test_an_evaluation_leaves_the_modes_alone(kit):
    net = kit.tiny_bert()
    run = kit.Run(net, kit.plan_for(net, frozen=low), rows=16)
    modes = []
    for _ in run.moments():
        modes.append([module.training for module in net.modules()])
    assert all(mode == modes[0] for mode in modes)


def test_every_method_sees_the_same_rows_in_the_same_order(kit, monkeypatch):
    from tritune.training import loop

    def rows_seen(frozen) -> list[list[int]]:
        seen = []
        monkeypatch.setattr(
            loop, "collate", lambda t, rows, **o: seen.append(rows.tolist()) or collate(t, rows, **o)
        )
        net = kit.tiny_bert()
        kit.Run(net, kit.plan_for(net, frozen=frozen)).finish()
        return seen

    assert rows_seen(lambda _: False) == rows_seen(low)
