import math

import pytest

from tritune.training.schedule import first_step, rate_share, share_since, warmup_steps


def shares(**options):
    return [rate_share(step, **options) for step in range(options["total_steps"])]


def test_linear_with_warmup_by_hand():
    got = shares(total_steps=6, warmup=2, schedule="linear")
    assert got == pytest.approx([1 / 3, 2 / 3, 1, 0.75, 0.5, 0.25])


def test_linear_without_warmup_starts_at_the_peak():
    assert shares(total_steps=4, warmup=0, schedule="linear") == [1, 0.75, 0.5, 0.25]


def test_cosine_by_hand():
    got = shares(total_steps=5, warmup=1, schedule="cosine")
    assert got == pytest.approx([0.5, 1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2])


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("warmup", [0, 1, 7, 19])
def test_no_step_is_wasted_and_none_exceeds_the_peak(schedule, warmup):
    got = shares(total_steps=20, warmup=warmup, schedule=schedule)
    assert all(0 < share <= 1 for share in got)
    assert got[warmup] == 1


def test_one_step_is_taken_at_the_peak():
    assert shares(total_steps=1, warmup=0, schedule="cosine") == [1]


@pytest.mark.parametrize(
    ("total", "fraction", "expected"),
    [(100, 0.1, 10), (101, 0.1, 11), (10, 0.0, 0), (1, 0.9, 0), (3, 0.99, 2)],
)
def test_warmup_is_rounded_up_and_leaves_a_step(total, fraction, expected):
    assert warmup_steps(total, warmup_fraction=fraction) == expected


def test_what_begins_later_has_the_schedule_of_the_steps_that_are_left():
    options = {"total_steps": 10, "warmup_fraction": 0.3, "schedule": "linear"}
    got = [share_since(step, begins=4, **options) for step in range(10)]
    assert got == [0, 0, 0, 0, *shares(total_steps=6, warmup=2, schedule="linear")]
    at_once = [share_since(step, begins=0, **options) for step in range(10)]
    assert at_once == shares(total_steps=10, warmup=3, schedule="linear")


@pytest.mark.parametrize(
    ("start", "total", "step"), [(0.0, 10, 0), (0.33, 100, 33), (0.5, 5, 2), (0.99, 10, 9), (0.3, 1, 0)]
)
def test_a_start_is_rounded_to_a_step_of_the_training(start, total, step):
    assert first_step(start, total_steps=total) == step


@pytest.mark.parametrize("step", [-1, 4])
def test_a_step_outside_is_refused(step):
    with pytest.raises(ValueError, match=f"step {step} is outside of a training of 4 steps"):
        rate_share(step, total_steps=4, warmup=0, schedule="linear")
