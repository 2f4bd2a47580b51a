import numpy as np
import pytest

from benchmarks.overfit_detection import CHANCES, by_chance, history_of, judged, page, rates, truth_of
from benchmarks.simulated_trainings import Answers, Trained, line, network, trained


@pytest.mark.parametrize("seed", range(4))
def test_the_truth_of_a_line_is_what_many_examples_show(seed):
    one = line(np.random.default_rng(seed), epochs=4, size=100_000)
    assert one.validation.losses.mean(axis=1) == pytest.approx(one.true_loss, rel=0.03)
    assert one.validation.right.mean(axis=1) == pytest.approx(one.true_accuracy, abs=0.006)


def test_a_line_learns_its_training_examples_ever_better():
    for seed in range(10):
        losses = line(np.random.default_rng(seed), epochs=8, size=50).training.losses
        if losses.shape[1] < 100:  # then all of them are watched
            assert (np.diff(losses.mean(axis=1)) < 1e-9).all()


def test_a_network_is_asked_and_judged_like_any_training():
    one = network(np.random.default_rng(1), epochs=2, size=60)
    assert one.validation.losses.shape == (2, 60)
    assert one.training.right.shape == (2, 100)
    first, last = history_of(one)
    assert first["validation_loss"] == pytest.approx(one.validation.losses[0].mean())
    assert sum(last["validation_loss_parts"]) == pytest.approx(last["validation_loss"])
    assert (first["epoch"], last["epoch"], first["best"] != last["best"]) == (1, 2, True)


def made(true_loss: list[float], accuracy: list[float], training: list[float]) -> Trained:
    answers = Answers(
        np.array(training)[:, None].repeat(40, axis=1), np.ones((len(training), 40), dtype=bool)
    )
    return Trained(answers, answers, np.array(true_loss), np.array(accuracy))


@pytest.mark.parametrize(
    ("true_loss", "accuracy", "training", "truth"),
    [
        ([0.9, 0.5, 0.6], [0.6, 0.8, 0.8], [0.9, 0.5, 0.1], "overfitting"),
        ([0.9, 0.5, 0.6], [0.6, 0.8, 0.83], [0.9, 0.5, 0.1], "overconfident"),
        ([0.9, 0.5, 0.505], [0.6, 0.8, 0.8], [0.9, 0.5, 0.1], "healthy"),
        ([0.9, 0.5, 0.53], [0.6, 0.8, 0.8], [0.9, 0.5, 0.1], "between"),
        ([0.9, 0.5, 0.6], [0.6, 0.8, 0.8], [0.9, 0.5, 0.7], "between"),
    ],
)
def test_a_truth_is_told_without_the_watch(true_loss, accuracy, training, truth):
    assert truth_of(made(true_loss, accuracy, training)) == truth


def test_many_epochs_and_examples_are_judged_well_enough():
    found = rates([judged(one) for one in trained(line, epochs=10, size=1000, runs=40)])
    assert found["overfitting"]["alarms"] >= 0.9 * found["overfitting"]["runs"] > 5
    assert found["healthy"]["alarms"] <= 0.1 * found["healthy"]["runs"]


def test_the_greater_the_chance_that_is_allowed_the_more_is_found():
    found = by_chance(2)
    assert [row["chance"] for row in found] == list(CHANCES)
    for truth in ("overfitting", "healthy", "between"):
        alarms = [row[truth]["alarms"] for row in found]
        assert alarms == sorted(alarms)
    assert 0 < found[0]["overfitting"]["alarms"] <= found[0]["overfitting"]["runs"]


def test_the_page_marks_what_misses_the_target():
    row = {
        "kind": "line",
        "epochs": 3,
        "validation": 100,
        "overfitting": {"runs": 10, "alarms": 7},
        "healthy": {"runs": 20, "alarms": 1},
        "overconfident": {"runs": 0, "alarms": 0},
        "between": {"runs": 4, "alarms": 2},
    }
    network_s = {**row, "kind": "network", "overfitting": {"runs": 0, "alarms": 0}}
    text = page({"runs": 34, "rows": [row, network_s], "chances": [{**row, "chance": 0.05}]})
    assert "| line | 3 | 100 | 10 | 70.0 % | 20 | 5.0 % | finds too few |" in text
    assert "| network | 3 | 100 | 0 |  | 20 | 5.0 % |  |" in text
    assert "8 trainings whose true loss ends 2 to 10 %" in text
    assert "50.0 % are called overfitting." in text
    assert "| 5% | 70.0 % | 5.0 % | 50.0 % |" in text
