import numpy as np
import pytest

from tritune.evidence import weigh
from tritune.metrics.sums import Parts, mean_parts


def answers(draw: np.random.Generator, *, hardness: np.ndarray, skill: float, seeds: int) -> list[Parts]:
    """Right or wrong on each example, for seeds that differ in luck."""
    found = []
    for _ in range(seeds):
        chance = 1 / (1 + np.exp(-(skill + draw.normal(scale=0.3) - hardness)))
        found.append(mean_parts(range(len(hardness)), (draw.random(len(hardness)) < chance).astype(float)))
    return found


def compared(parts: dict[str, list[Parts]]):
    scores = {name: [float(p.values[:, [0]].mean()) for p in each] for name, each in parts.items()}
    return weigh(scores, metric="accuracy", parts=parts)


def test_equal_methods_are_rarely_claimed_to_differ():
    """The same method under three names, other seeds and examples each time: at most 5 % false claims."""
    draw, repetitions, claims = np.random.default_rng(0), 60, 0
    for _ in range(repetitions):
        hardness = draw.normal(scale=2, size=150)
        evidence = compared({name: answers(draw, hardness=hardness, skill=0.5, seeds=3) for name in "abc"})
        claims += any(one.claimed for one in evidence.differences)
    assert claims / repetitions <= 0.05 + 2 * (0.05 * 0.95 / repetitions) ** 0.5


def test_a_clear_difference_is_claimed_and_the_worse_is_named():
    draw = np.random.default_rng(0)
    hardness = draw.normal(scale=2, size=500)
    evidence = compared(
        {
            "good": answers(draw, hardness=hardness, skill=2.0, seeds=5),
            "bad": answers(draw, hardness=hardness, skill=-1.0, seeds=5),
        }
    )
    assert evidence.shown_worse("bad", "good")
    assert not evidence.shown_worse("good", "bad")
    (difference,) = evidence.differences
    assert difference.of("bad").value == -difference.of("good").value < 0
    assert difference.effect_size > 2
    low, high = evidence.means["good"].interval()
    assert low < evidence.means["good"].value < high


def test_where_lower_is_better_the_lower_one_has_the_advantage():
    evidence = weigh({"a": [0.2, 0.3], "b": [0.5, 0.6]}, metric="negative_log_likelihood", parts=None)
    assert evidence.differences[0].advantage.value == pytest.approx(0.3)


def test_a_single_seed_without_examples_shows_nothing():
    evidence = weigh({"a": [0.9], "b": [0.1]}, metric="accuracy", parts=None)
    (difference,) = evidence.differences
    assert (difference.p_adjusted, difference.claimed, difference.effect_size) == (None, False, None)


def test_effect_size_by_hand():
    evidence = weigh({"a": [0.5, 0.7], "b": [0.3, 0.5]}, metric="accuracy", parts=None)
    # Both have a variance of 0.02.
    assert evidence.differences[0].effect_size == pytest.approx(0.2 / 0.02**0.5)
