import io

from rich.console import Console

from flows.display import Display
from tritune.training.progress import EpochProgress, StepProgress


def plain(clock) -> tuple[Display, io.StringIO]:
    file = io.StringIO()
    return Display(Console(file=file, width=80), clock=clock), file


def progress(step: int) -> str:
    return str(StepProgress(1, 3, step, 300, 0.5, 85.0, 35))


def test_without_a_terminal_progress_is_one_line_in_ten_seconds_per_stage():
    now = [0.0]
    display, file = plain(lambda: now[0])
    with display:
        for second in range(25):
            now[0] = float(second)
            display.line("train@full-13", progress(second))
            display.line("train@partial-13", progress(second))
    lines = file.getvalue().splitlines()
    assert [line for line in lines if "full" in line] == [
        f"train@full-13 | {progress(second)}" for second in (0, 10, 20)
    ]
    assert len(lines) == 6


def test_other_lines_are_all_shown_whole_with_brackets_and_all():
    display, file = plain(lambda: 0.0)
    text = "labels [a] [/b] " + "x" * 200
    with display:
        display.line("ingest", text)
        display.line("ingest", text)
        display.finished("ingest", "Completed", "ran (1.0 s)")
    assert file.getvalue() == f"ingest | {text}\n" * 2 + "ingest  Completed  ran (1.0 s)\n"


def test_an_epoch_is_told_in_words_with_the_metric_that_picks_the_best():
    scores = {"train_loss": 0.75, "validation_loss": 0.5, "accuracy": 0.25, "weighted_f1": 0.125}
    display, file = plain(lambda: 0.0)
    file2 = io.StringIO()
    other = Display(Console(file=file2, width=80), metric="weighted_f1")
    with display:
        display.line("train@a-1", str(EpochProgress(2, 3, scores, best=True)))
    with other:
        other.line("train@a-1", str(EpochProgress(2, 3, scores)))
    assert file.getvalue() == "train@a-1 | epoch 2/3  loss 0.750  validation loss 0.500  best\n"
    assert file2.getvalue() == "train@a-1 | epoch 2/3  loss 0.750  validation loss 0.500, weighted F1 0.125\n"


def test_in_a_narrow_terminal_a_bar_and_its_numbers_stay_on_one_line():
    file = io.StringIO()
    with Display(Console(file=file, width=70, force_terminal=True, color_system=None)) as display:
        display.started("evaluate@partial-13")
        display.line("train@adaptive-13", progress(150))
        display._progress.refresh()
    assert "epoch 1/3  loss 0.500  85 examples/s  0:35 left" in file.getvalue()


def test_a_terminal_breaks_lines_between_words():
    file = io.StringIO()
    display = Display(Console(file=file, width=40, force_terminal=True, color_system=None))
    display.line("ingest", "words " * 12)
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert " ".join(lines).split() == ["ingest", "|", *["words"] * 12]
    assert all(len(line) <= 40 for line in lines)


def test_on_a_terminal_a_stage_that_says_nothing_shows_for_how_long_it_runs():
    file = io.StringIO()
    display = Display(Console(file=file, width=120, force_terminal=True))
    with display:
        display.started("evaluate@full-13")
        display.started("evaluate@full-13")
        display._progress.refresh()
        assert [(task.description, task.total) for task in display._progress.tasks] == [
            ("evaluate@full-13", None)
        ]
        display.finished("evaluate@full-13", "Completed", "ran")
        assert not display._progress.tasks
    assert "0:00" in file.getvalue()


def test_on_a_terminal_each_training_has_a_bar_until_it_ends():
    file = io.StringIO()
    display = Display(Console(file=file, width=120, force_terminal=True))
    with display:
        display.line("train@full-13", progress(150))
        shown = display._progress.tasks
        assert [(task.description, task.completed, task.total) for task in shown] == [
            ("train@full-13", 150, 300)
        ]
        assert shown[0].fields["details"] == "epoch 1/3  loss 0.500  85 examples/s  0:35 left"
        display.finished("train@full-13", "Completed", "ran")
        assert not display._progress.tasks
