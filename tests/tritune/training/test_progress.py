import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.training.progress import EpochProgress, StepProgress, parse_progress, seconds_left


def test_a_step_line_reads_well():
    line = StepProgress(
        epoch=2, epochs=3, step=120, steps=300, loss=0.41249, examples_per_second=85.3, seconds_left=35
    )
    assert str(line) == "epoch 2/3  step 120/300  loss 0.412  85 examples/s  00:35 left"


def test_an_epoch_line_reads_well():
    line = EpochProgress(2, 3, {"train_loss": 0.5, "macro_f1": 0.81}, best=True)
    assert str(line) == "epoch 2/3 done  train_loss 0.5000  macro_f1 0.8100  best"


@given(
    st.builds(
        StepProgress,
        epoch=st.integers(1, 999),
        epochs=st.integers(1, 999),
        step=st.integers(1, 10**7),
        steps=st.integers(1, 10**7),
        loss=st.floats(0, 1e4),
        examples_per_second=st.floats(0, 1e6),
        seconds_left=st.integers(0, 10**6),
    )
)
def test_step_lines_are_parsed_back(progress):
    parsed = parse_progress(f"{progress}\n")
    assert isinstance(parsed, StepProgress)
    assert str(parsed) == str(progress)
    assert parsed.seconds_left == progress.seconds_left


NAMES = st.sampled_from(["train_loss", "validation_loss", "accuracy", "macro_f1", "best_of"])


@given(
    st.builds(
        EpochProgress,
        epoch=st.integers(1, 999),
        epochs=st.integers(1, 999),
        scores=st.dictionaries(NAMES, st.floats(-1, 100)),
        best=st.booleans(),
    )
)
def test_epoch_lines_are_parsed_back(progress):
    parsed = parse_progress(str(progress))
    assert isinstance(parsed, EpochProgress)
    assert str(parsed) == str(progress)
    assert parsed.best == progress.best


@pytest.mark.parametrize("line", ["", "warning: the training loss did not fall", "epoch 1/3", "step 2/3"])
def test_other_lines_are_not_progress(line):
    assert parse_progress(line) is None


def test_time_left_goes_by_the_timed_steps():
    assert seconds_left(steps_done=60, steps_in_all=100, steps_timed=20, seconds=10) == 20
    assert seconds_left(steps_done=60, steps_in_all=100, steps_timed=0, seconds=10) == 0
