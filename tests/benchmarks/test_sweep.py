import pytest

from benchmarks.sweep import OCTAVES, SEEDS, judged, page


def case(*, taken: float, loss: float = 0.0) -> dict:
    """Scores that fall by 0.02 an octave away from the plan's rate, with a spread of 0.01 over the seeds."""
    scores = {
        str(2.0**octave): {str(seed): 0.9 - 0.02 * abs(octave) + 0.01 * (seed - 12) for seed in SEEDS}
        for octave in OCTAVES
    }
    scores[str(taken)] = {str(seed): 0.9 - loss + 0.01 * (seed - 12) for seed in SEEDS}
    return {
        "scores": scores,
        "sweep": {"factor": taken, "steps": 325},
        "training_steps": 100,
        "test_rows": 100,
    }


def test_the_sweep_s_rate_is_held_against_the_standard_error_of_the_grid_s_best():
    found = judged(case(taken=1.3, loss=0.005))
    assert found["best"] == 1.0
    assert found["behind"] == pytest.approx(0.005)
    assert found["error"] == pytest.approx(0.01 / 3**0.5)
    # sqrt(0.9 * 0.1 / 100) is 0.03.
    assert found["error_of_the_score"] == pytest.approx((0.01**2 / 3 + 0.03**2) ** 0.5)
    assert found["cost"] == pytest.approx(325 / (9 * 3 * 100))


def test_the_page_counts_the_cases_that_hold_and_leaves_out_those_that_are_not_done():
    unfinished = case(taken=1.3)
    del unfinished["scores"]["0.25"]["11"]
    cases = {
        "a/full": case(taken=1.3, loss=0.005),
        "b/full": case(taken=1.3, loss=0.006),
        "c/full": unfinished,
        "d/full": {"scores": {}},
    }
    said = page({"cases": cases})
    assert (
        "| a/full | 0.9000 | 1.00 | 0.9000 | 1.30 | 0.8950 | +0.0050 | 0.0058 | yes | 0.0306 | 12 % |" in said
    )
    assert "| b/full |" in said
    assert "c/full" not in said
    assert "1 of 2 cases hold" in said
    assert "2 are within one standard error of the score" in said
