import numpy as np
import pytest

from tritune.overfit_told import told
from tritune.overfit_watch import CHANCE, Watch, watch
from tritune.statistics.chosen import chance_of_rise

EVEN = np.full(20, 1 / 20)
SPREAD = np.linspace(-1, 1, 20) / 20
"""Sums to 0: what chance gives and takes, group by group."""


def history(train, validation, score=None, *, noise: float = 0.0, best: int | None = None) -> list[dict]:
    """One row per epoch; from one to the next, each group's loss goes its own way by up to `noise`."""
    score = score or [0.5] * len(train)
    best = best or 1 + int(np.argmax(score))
    return [
        {
            "epoch": i + 1,
            "train_loss": 9.0 - i,
            "train_slice_loss": t,
            "train_slice_macro_f1": 1.0,
            "train_slice_examples": 50,
            "validation_loss": v,
            "validation_macro_f1": s,
            "validation_negative_log_likelihood": v,
            "validation_loss_parts": (v * EVEN + noise * i * SPREAD).tolist(),
            "train_slice_loss_parts": (t * EVEN).tolist(),
            "best": i + 1 == best,
        }
        for i, (t, v, s) in enumerate(zip(train, validation, score, strict=True))
    ]


def old(rows: list[dict]) -> list[dict]:
    """A history as versions before the watch wrote it."""
    return [{k: v for k, v in row.items() if "slice" not in k and "parts" not in k} for row in rows]


def watched(rows: list[dict], *, epochs: int = 9, monitor: str = "macro_f1", examples: int = 200) -> Watch:
    return watch(rows, monitor=monitor, margin=0.01, epochs=epochs, examples=examples)


FALLS, RISES = [0.9, 0.4, 0.2, 0.1], [0.8, 0.5, 0.6, 0.7]


def test_a_validation_loss_that_rises_while_training_rows_get_better_is_overfitting():
    found = watched(history(FALLS, RISES, [0.5, 0.7, 0.71, 0.7], best=3))
    assert (found.verdict, found.onset, found.kept) == ("overfitting", 2, 3)
    assert told("full", found, monitor="macro_f1") == (
        "full overfits: from epoch 2 to 4 its validation loss rises from 0.500 to 0.700 (by 40 %, p < 0.001) "
        "while that of training rows falls from 0.400 to 0.100, and the validation macro F1 gains too little "
        "to count (0.700 to 0.700). The weights kept are those of epoch 3, after that began. Remedies: "
        "`tritune remedy full`."
    )


def test_the_same_rise_is_no_overfitting_when_it_may_be_chance():
    rows = history(FALLS, RISES)
    assert watched(rows).verdict == "overfitting"
    differences = np.subtract(rows[3]["validation_loss_parts"], rows[1]["validation_loss_parts"])
    assert differences.sum() == pytest.approx(0.2)
    assert watched(history(FALLS, RISES, noise=1.0)).verdict == "healthy"


def test_the_chance_counts_every_epoch_that_could_have_been_the_lowest():
    rows = history(FALLS, RISES, noise=0.2)
    parts = np.array([row["validation_loss_parts"] for row in rows])
    found = watched(rows).p_value
    assert found == chance_of_rise(parts[-1] - parts[:-1], 1)
    assert found is not None
    assert found > chance_of_rise(parts[-1:] - parts[1:2], 0)


def test_a_loss_that_has_not_risen_is_called_overfitting_no_more_often_than_chance_may():
    """The epochs' losses wander by chance around what they were; the lowest is picked afterwards."""
    draw = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        parts = EVEN + 0.01 * draw.normal(size=(8, 20)).cumsum(axis=0)
        rows = history(np.linspace(0.9, 0.1, 8).tolist(), parts.sum(axis=1).tolist())
        for row, of_epoch in zip(rows, parts, strict=True):
            row["validation_loss_parts"] = of_epoch.tolist()
        alarms += watched(rows).verdict == "overfitting"
    assert 0 < alarms <= (CHANCE + 2 * (CHANCE * (1 - CHANCE) / 300) ** 0.5) * 300


def test_a_rise_of_less_than_a_twentieth_is_not_worth_a_word():
    assert watched(history(FALLS, [0.8, 0.5, 0.51, 0.52])).verdict == "healthy"


def test_a_loss_that_rounding_takes_below_0_has_not_risen_from_itself():
    assert watched(history([0.9, 0.4], [0.8, -1e-12])).verdict == "healthy"


def test_a_loss_that_rises_on_training_rows_too_is_no_overfitting():
    found = watched(history([0.9, 0.4, 0.5, 0.6], RISES))
    assert (found.verdict, found.onset, found.p_value) == ("unstable", None, None)
    assert told("full", found, monitor="macro_f1") == (
        "full lost its way: from epoch 2 to 4 its validation loss rises from 0.500 to 0.700, and that of "
        "training rows from 0.400 to 0.600. The weights kept are those of epoch 1; a lower rate may do "
        "better."
    )


@pytest.mark.parametrize(
    ("train", "end"), [(0.41, "and that of training rows fell no more either."), (0.3, "")]
)
def test_where_training_rows_stand_still_or_a_rise_is_small_it_is_healthy(train, end):
    found = watched(history([0.9, 0.4, train], [0.8, 0.5, 0.7 if train > 0.4 else 0.52]))
    assert found.verdict == "healthy"
    last = "0.700 at the end" if end else "0.520 at the end"
    assert told("full", found, monitor="macro_f1") == (
        f"full is healthy: its validation loss is lowest in epoch 2 (0.500) and {last}, "
        f"{end or 'within 5 % or chance.'}"
    )


def test_a_metric_that_gains_while_the_loss_rises_is_only_too_sure():
    found = watched(history(FALLS, RISES, [0.5, 0.7, 0.75, 0.8]))
    assert (found.verdict, found.onset) == ("overconfident", 2)
    assert told("full", found, monitor="macro_f1") == (
        "full becomes too sure of itself: from epoch 2 to 4 its validation loss rises from 0.500 to 0.700 "
        "(by 40 %, p < 0.001) while that of training rows falls from 0.400 to 0.100; but the validation "
        "macro F1 gains, from 0.700 to 0.800, so the answers do not suffer, only how far their probabilities "
        "can be trusted. The weights kept are those of epoch 4, after that began."
    )


@pytest.mark.parametrize(("examples", "verdict"), [(200, "overfitting"), (2000, "overconfident")])
def test_a_gain_counts_if_it_is_above_the_margin_and_one_standard_error(examples, verdict):
    """0.02 above 0.70: the standard error is 0.032 of 200 examples and 0.010 of 2000."""
    rows = history(FALLS, RISES, [0.5, 0.68, 0.69, 0.70])
    assert watched(rows, examples=examples).verdict == verdict


def test_a_metric_that_falls_back_is_said_to():
    found = watched(history(FALLS, RISES, [0.5, 0.8, 0.7, 0.6]))
    sentence = told("full", found, monitor="macro_f1")
    assert "and the validation macro F1 falls back from 0.800 to 0.600. The weights kept" in sentence
    assert "are those of epoch 2, before that. Remedies" in sentence


def test_a_gap_alone_is_healthy_and_told_with_its_interval():
    found = watched(history([0.9, 0.1, 0.01], [0.8, 0.5, 0.49], [0.5, 0.7, 0.705]))
    assert found.verdict == "healthy"
    assert told("full", found, monitor="macro_f1") == (
        "full is healthy: its validation loss is lowest in the last epoch."
    )
    assert found.loss_gap is not None
    assert found.loss_gap.value == pytest.approx(0.48)
    assert found.loss_gap.low == pytest.approx(0.48)  # every group has the same loss here
    assert found.metric_gap is not None
    assert found.metric_gap.value == pytest.approx(0.295)
    assert 0 < found.metric_gap.low < 0.295 < found.metric_gap.high < 1


def test_a_gap_in_loss_reaches_as_far_as_both_splits_parts_differ():
    rows = history([0.9], [0.8])
    draw = np.random.default_rng(0)
    for split in ("validation", "train_slice"):
        rows[0][f"{split}_loss_parts"] = draw.normal(0.04, 0.01, 20).tolist()
        rows[0][f"{split}_loss"] = sum(rows[0][f"{split}_loss_parts"])
    gap = watched(rows).loss_gap
    assert gap is not None
    error = np.sqrt(
        sum(20 * np.var(rows[0][f"{s}_loss_parts"], ddof=1) for s in ("validation", "train_slice"))
    )
    assert gap.high - gap.value == pytest.approx(2.093 * error, rel=1e-3)  # t with 19 degrees of freedom


def test_a_training_that_still_gains_in_its_last_epoch_is_underfitting():
    found = watched(history([0.9, 0.6, 0.4], [0.9, 0.7, 0.6], [0.5, 0.8, 0.85]), epochs=3)
    assert found.verdict == "underfitting"
    assert told("full", found, monitor="macro_f1") == (
        "full was still learning when it ended: epoch 3 brought the validation macro F1 from 0.800 to 0.850. "
        "More than 3 epochs may help."
    )
    by_loss = watched(history([0.9, 0.6, 0.4], [0.9, 0.7, 0.6]), epochs=3, monitor="negative_log_likelihood")
    assert by_loss.verdict == "underfitting"


@pytest.mark.parametrize(
    ("losses", "scores", "epochs", "noise"),
    [
        ([0.9, 0.7, 0.6], [0.5, 0.8, 0.805], 3, 0.0),  # within the margin
        ([0.9, 0.7, 0.6], [0.5, 0.8, 0.9], 5, 0.0),  # stopped before the last epoch that was allowed
        ([0.9, 0.6, 0.62], [0.5, 0.8, 0.9], 3, 0.0),  # the loss does not follow
        ([0.9, 0.7, 0.69], [0.5, 0.8, 0.9], 3, 1.0),  # it may be chance
        ([0.9], [0.9], 1, 0.0),
    ],
)
def test_a_training_that_has_settled_is_not(losses, scores, epochs, noise):
    rows = history(np.linspace(0.9, 0.4, len(losses)).tolist(), losses, scores, noise=noise)
    assert watched(rows, epochs=epochs).verdict == "healthy"


def test_a_history_of_an_earlier_version_is_judged_by_the_size_of_the_rise_alone():
    found = watched(old(history(FALLS, RISES)))
    assert (found.verdict, found.onset, found.p_value) == ("overfitting", 2, None)
    assert (found.loss_gap, found.metric_gap) == (None, None)
    assert found.before["train_loss"] == 8.0
    assert "(by 40 %) while" in told("full", found, monitor="macro_f1")
    assert watched(old(history(FALLS, [0.8, 0.5, 0.51, 0.52]))).verdict == "healthy"


def test_a_metric_that_is_no_share_has_no_interval():
    rows = history([0.9, 0.5], [0.9, 0.6])
    for row in rows:
        row["validation_perplexity"] = row["train_slice_perplexity"] = 3.0
    assert watched(rows, monitor="perplexity").metric_gap is None
