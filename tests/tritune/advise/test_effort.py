import pytest

from tritune.advise.effort import Effort, effort_for, row_passes


@pytest.mark.parametrize(
    ("rows", "effort"),
    [
        (9000, Effort(3, 1)),  # the whole split: its epochs
        (300, Effort(5, 4)),  # 85 passes would be as many steps: 20 are the most
        (100, Effort(5, 10)),  # 4 steps a pass: 20 passes would be 80 steps, 50 are 200
        (3000, Effort(5, 2)),  # 94 steps a pass, 846 in all: 9 passes, of which the last goes up to 10
        (8999, Effort(3, 1)),  # as many steps a pass as the whole
    ],
)
def test_small_samples_get_as_many_steps_as_the_whole_split_but_at_most_20_passes(rows, effort):
    assert effort_for(rows, whole=9000, epochs=3, batch_size=32) == effort


def test_more_epochs_than_20_passes_are_kept_at_every_size():
    assert effort_for(300, whole=9000, epochs=30, batch_size=32) == Effort(30, 1)


def test_no_evaluation_is_lost_to_those_who_set_many_epochs():
    assert effort_for(300, whole=9000, epochs=10, batch_size=32) == Effort(10, 2)


def test_the_work_counts_a_forward_pass_as_a_third():
    assert row_passes(300, Effort(5, 4), evaluated=600, tested=900) == 20 * 300 + (5 * 600 + 900) / 3
