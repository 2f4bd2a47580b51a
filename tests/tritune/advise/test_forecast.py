"""A forecast holds the truth as often as it says, and stays wide where the data don't tell."""

import numpy as np
import pytest

from tritune.advise import forecast as module
from tritune.advise.forecast import Measured, forecast

SIZES = (300, 1000, 9000)


def error(n: float, *, floor: float, above: float, exponent: float) -> float:
    return floor + above * (n / SIZES[-1]) ** -exponent


def drawn(curve: dict[str, float], *, seed: int, sizes=SIZES, seeds: int = 5, noise: float = 0.004):
    draw = np.random.default_rng(seed)
    return [
        Measured(n, 1 - error(n, **curve) - draw.normal(0, noise, size=seeds), resampled=None) for n in sizes
    ]


@pytest.mark.parametrize(
    "curve",
    [
        {"floor": 0.0, "above": 0.1, "exponent": 0.4},
        {"floor": 0.03, "above": 0.05, "exponent": 0.6},
        {"floor": 0.06, "above": 0.02, "exponent": 1.0},
    ],
)
def test_the_interval_holds_the_truth_nearly_always(curve, monkeypatch):
    monkeypatch.setattr(module, "DRAWS", 10_000)
    truth = 1 - error(18_000, **curve)
    gain = error(9000, **curve) - error(18_000, **curve)
    held = gains = 0
    for seed in range(40):
        (found,) = forecast(drawn(curve, seed=seed), metric="accuracy", examples=[18_000])
        held += found.interval[0] <= truth <= found.interval[1]
        gains += found.gain_interval[0] <= gain <= found.gain_interval[1]
    # A 95 % interval misses more than 6 of 40 once in a hundred such tests.
    assert min(held, gains) >= 34


def test_the_interval_holds_curves_that_are_off_a_power_law_as_far_as_is_assumed(monkeypatch):
    """Curves as they are supposed to be: of any such floor and exponent, each other size off by 5 %."""
    monkeypatch.setattr(module, "DRAWS", 8_000)
    draw = np.random.default_rng(5)
    held = gains = tried = 0
    while tried < 200:
        floor, exponent = draw.choice([0.0, draw.uniform()], p=[0.2, 0.8]), draw.uniform(0, 2)
        above = draw.uniform(0.02, 0.4)
        true = {
            n: error(n, floor=floor * above, above=(1 - floor) * above, exponent=exponent)
            * (1 + 0.05 * draw.normal() * (n != SIZES[-1]))
            for n in (*SIZES, 18_000)
        }
        if max(true.values()) > 1:
            continue
        tried += 1
        true[18_000] = min(true[18_000], true[9000])
        curve = [Measured(n, 1 - true[n] - draw.normal(0, 0.006, size=5), None) for n in SIZES]
        (found,) = forecast(curve, metric="accuracy", examples=[18_000])
        held += found.interval[0] <= 1 - true[18_000] <= found.interval[1]
        gains += found.gain_interval[0] <= true[9000] - true[18_000] + 1e-12 <= found.gain_interval[1] + 2e-12
    # 95 % of 200 are 190; fewer than 180 would come once in five hundred such tests.
    assert min(held, gains) >= 180


def test_the_mean_of_resamples_moves_no_forecast():
    """A macro F1 of many classes is lower on resamples, where rare classes have fewer examples."""
    plain = drawn({"floor": 0.02, "above": 0.1, "exponent": 0.5}, seed=2)
    shifts = np.random.default_rng(0).normal(0, 0.002, size=1000)

    def curve(bias: float):
        return [Measured(one.examples, one.scores, one.scores.mean() + shifts + bias) for one in plain]

    assert forecast(curve(-0.02), metric="accuracy", examples=[18_000])[0].score == pytest.approx(
        forecast(curve(0.0), metric="accuracy", examples=[18_000])[0].score, abs=1e-9
    )


def test_a_forecast_stays_within_the_range_of_its_metric():
    """Two seeds that differ much leave nearly all open, but nothing beyond what a score can be."""
    curve = [Measured(n, np.array([0.0, 0.3]), None) for n in (300, 9000)]
    for found in forecast(curve, metric="accuracy", examples=[18_000, 36_000]):
        assert 0 <= found.interval[0] <= found.score < found.interval[1] <= 1


def test_a_known_curve_is_followed():
    curve = {"floor": 0.03, "above": 0.05, "exponent": 0.6}
    sizes = (100, 300, 1000, 3000, 9000)
    (found,) = forecast(drawn(curve, seed=0, sizes=sizes, noise=1e-4), metric="accuracy", examples=[18_000])
    assert found.score == pytest.approx(1 - error(18_000, **curve), abs=0.004)


def test_two_sizes_leave_open_whether_the_curve_flattens():
    curve = {"floor": 0.0, "above": 0.1, "exponent": 0.4}
    (wide,) = forecast(drawn(curve, seed=1, sizes=(300, 9000)), metric="accuracy", examples=[18_000])
    (narrow,) = forecast(
        drawn(curve, seed=1, sizes=(100, 300, 1000, 3000, 9000)), metric="accuracy", examples=[18_000]
    )
    # The truth is 0.024. One end: hardly any gain is left; the other: it goes on as it fell.
    assert wide.gain_interval[0] < 0.003
    assert wide.gain_interval[1] > 0.024
    assert narrow.gain_interval[0] > 0.012


def test_lower_is_better_for_a_loss_and_the_gain_is_above_zero_all_the_same():
    curve = [Measured(n, 4.0 + np.array([20.0, 20.2, 19.8]) * n**-0.3, None) for n in SIZES]
    near, far = forecast(curve, metric="perplexity", examples=[18_000, 36_000])
    assert far.score < near.score < curve[-1].scores.mean()
    assert near.interval[0] < near.score < near.interval[1]
    assert 0 < near.gain < far.gain


def test_unsure_validation_examples_make_the_forecast_unsure():
    def curve(noise: float):
        shifts = np.random.default_rng(0).normal(0, noise, size=1000)
        plain = drawn({"floor": 0.02, "above": 0.1, "exponent": 0.5}, seed=2)
        return [Measured(one.examples, one.scores, one.scores.mean() + shifts) for one in plain]

    (sure,), (unsure,) = (
        forecast(curve(noise), metric="accuracy", examples=[18_000]) for noise in (1e-4, 0.01)
    )
    assert unsure.interval[1] - unsure.interval[0] > 1.5 * (sure.interval[1] - sure.interval[0])
    assert unsure.gain_interval[1] < 2 * sure.gain_interval[1]  # what shifts all sizes is no gain


def test_nothing_is_foretold_from_one_size_or_without_a_second_seed():
    curve = drawn({"floor": 0.0, "above": 0.1, "exponent": 0.4}, seed=1)
    assert forecast(curve[-1:], metric="accuracy", examples=[18_000]) == []
    single = [Measured(one.examples, one.scores[:1], None) for one in curve]
    assert forecast(single, metric="accuracy", examples=[18_000]) == []
    mixed = [*curve[:2], single[2]]
    assert len(forecast(mixed, metric="accuracy", examples=[18_000])) == 1
