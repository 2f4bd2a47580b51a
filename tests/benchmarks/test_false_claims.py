import numpy as np

from benchmarks.false_claims import claimed, page
from tritune.metrics.sums import mean_parts


def trainings(seeds: int) -> list:
    """One method's answers: seeds differ by luck, examples by hardness."""
    draw = np.random.default_rng(0)
    hardness = draw.normal(scale=2, size=200)
    return [
        mean_parts(
            range(200), (draw.random(200) < 1 / (1 + np.exp(hardness - draw.normal(0.5, 0.2)))).astype(float)
        )
        for _ in range(seeds)
    ]


def test_one_method_under_three_names_is_rarely_said_to_differ():
    assert claimed(trainings(12), "accuracy", seeds=3, draws=30) <= 0.05 + 2 * (0.05 * 0.95 / 30) ** 0.5


def test_names_that_do_differ_are_found_out():
    """Half of the seeds answer all wrong: now and then a group has only these, and another none."""
    good = trainings(6)
    bad = [mean_parts(range(200), np.zeros(200)) for _ in range(6)]
    assert claimed([*good, *bad], "accuracy", seeds=3, draws=60) > 0.02


def test_the_page_tells_the_rates():
    rows = [{"metric": "accuracy", "seeds": 3, "claims": 0.0225}]
    content = {
        "method": "partial",
        "examples": 1540,
        "draws": 400,
        "rows": rows,
        "task": "text_classification",
    }
    assert "| accuracy | 3 | 2.2 % |" in page(content)
    assert "give or take 2.2 %" in page(content)
