from dataclasses import replace

import numpy as np
import pytest

from tritune.objectives.named import objective_named
from tritune.outputs import Outputs
from tritune.tokens import IGNORED
from tritune.training.loss_parts import GROUPS, example_groups, loss_parts

SINGLE = objective_named("single_label")


@pytest.mark.parametrize("rows", [1, 7, 200])
def test_the_parts_add_up_to_the_loss(kit, rows):
    table = kit.token_table(rows)
    logits = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    outputs = Outputs(logits, np.arange(rows + 1))
    parts = loss_parts(SINGLE, table)(outputs)
    assert len(parts) == min(rows, GROUPS)
    assert sum(parts) == pytest.approx(SINGLE.mean_loss(outputs, table), rel=1e-12)


def listed(table, objective: str):
    """The table with lists of labels as the objective reads them."""
    draw = np.random.default_rng(3)
    sizes = table.lengths if objective == "token_labels" else np.full(table.rows, 2)
    labels = draw.integers(0, 3, sizes.sum())
    if objective == "token_labels":
        labels[draw.random(len(labels)) < 0.6] = IGNORED  # some rows have no label at all
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return replace(table, labels=labels.astype(np.int32), label_offsets=offsets)


@pytest.mark.parametrize("objective", ["multi_label", "token_labels", "spans"])
def test_they_do_for_every_objective(kit, objective):
    table = listed(kit.token_table(70), objective)
    counts = np.ones(70, dtype=np.int64) if objective == "multi_label" else table.lengths
    width = 2 if objective == "spans" else 3
    logits = np.random.default_rng(0).normal(size=(counts.sum(), width)).astype(np.float32)
    outputs = Outputs(logits, np.concatenate([[0], np.cumsum(counts)]))
    asked = objective_named(objective)
    assert sum(loss_parts(asked, table)(outputs)) == pytest.approx(asked.mean_loss(outputs, table), rel=1e-9)


def test_a_row_counts_by_its_terms(kit):
    """Two dialogues of 1 and 3 learnt tokens, at 4 and 2 nats each: a mean of 10 / 4."""
    tokens = np.arange(6, dtype=np.int32)
    table = replace(
        kit.token_table(2),
        tokens=tokens,
        offsets=np.array([0, 2, 6]),
        labels=tokens,
        label_offsets=np.array([0, 2, 6]),
    )
    outputs = Outputs(np.array([[4, 1], [6, 3]], dtype=np.float32), np.array([0, 1, 2]))
    parts = loss_parts(objective_named("causal_lm"), table)(outputs)
    assert sorted(parts) == [4 / 4, 6 / 4]


def test_windows_of_an_example_stay_together_and_groups_are_even():
    ids = [f"example {row // 4}" for row in range(400)]
    groups = example_groups(ids)
    assert sorted(np.concatenate(groups).tolist()) == list(range(400))
    assert [len(rows) for rows in groups] == [8] * GROUPS
    for rows in groups:
        assert len({ids[row] for row in rows}) == 2
    turned = example_groups(ids[::-1])
    assert {ids[::-1][row] for row in turned[3]} == {ids[row] for row in groups[3]}


def test_what_a_frozen_prefix_gave_is_not_copied(kit):
    class Unreadable(np.ndarray):
        def __getitem__(self, key):
            raise AssertionError("read")

    table = kit.token_table(30)
    stored = np.zeros((len(table.tokens), 4), dtype=np.float32).view(Unreadable)
    outputs = Outputs(np.zeros((30, 3), dtype=np.float32), np.arange(31))
    parts = loss_parts(SINGLE, replace(table, prefix_output=stored))(outputs)
    assert sum(parts) == pytest.approx(np.log(3))
