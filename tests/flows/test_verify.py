"""What `tritune verify` prints, and its exit code."""

import pytest

from flows import verify as command
from tritune.agreement import ScorePair
from tritune.pipeline.verify import Verification

SCORES = (ScorePair("test", "macro_f1", 0.9, 0.85), ScorePair("test", "accuracy", 0.9, 0.9))


@pytest.mark.parametrize(
    ("grade", "code"),
    [("bit-identical", 0), ("same within tolerance", 0), ("different", 1), ("not rebuilt", 1)],
)
def test_the_exit_code_tells_whether_it_came_out_the_same(
    grade, code, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(command, "metric_of", lambda *_: "macro_f1")
    monkeypatch.setattr(command, "verify_version", lambda *_, **__: Verification("v0.0.1", grade))
    assert command.verify("v0.0.1") == code
    assert capsys.readouterr().out.startswith(f"v0.0.1 is {grade}: ")


def test_a_difference_is_told_with_what_it_rests_on():
    found = Verification(
        "v0.0.1",
        "different",
        ran=("train@full-13", "select"),
        scores=SCORES,
        agreement={"validation": 0.99, "test": 0.9},
        files=("model.safetensors",),
        differences=("library versions: made with torch 1 (here: 2)",),
    )
    assert command.report(found) == [
        "v0.0.1 is different: the model does not come out as it was registered",
        "  2 stages ran again: train@full-13, select",
        "  files that differ: model.safetensors",
        "  test macro F1: 0.9000 registered, 0.8500 made again  more than 0.01 apart",
        "  test accuracy: 0.9000 registered, 0.9000 made again",
        "  validation: 99.00% of the answers are the same",
        "  test: 90.00% of the answers are the same  less than 99%",
        "otherwise than when it was made:",
        "  library versions: made with torch 1 (here: 2)",
    ]


def test_where_nothing_on_record_differs_a_stage_is_not_deterministic():
    lines = command.report(Verification("v0.0.1", "same within tolerance", scores=SCORES))
    assert lines[-2:] == [
        "  no predictions are on record: answers were not compared",
        "nothing on record is otherwise than when it was made: a stage is not deterministic here",
    ]
    assert len(command.report(Verification("v0.0.1", "bit-identical"))) == 1


def test_what_could_not_be_made_again_says_why():
    lines = command.report(Verification("v0.0.1", "not rebuilt", error="Traceback\nValueError: no"))
    assert lines[:3] == [
        "v0.0.1 is not rebuilt: the model could not be made again",
        "  Traceback",
        "  ValueError: no",
    ]
