"""Which version is written down as the one that answered a file."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))

from registry_fixtures import project, quiet_home, registered, trained, with_champion
from registry_project import Project

from flows import predicted
from flows.cli import main
from flows.predicted import answering_version, remember
from tritune.pipeline.predictions import read_predictions
from tritune.pipeline.registry import promote, register


@pytest.fixture
def asked(registered: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """v0.0.1 is champion, v0.0.2 lies in the project; there is a file to answer."""
    registered.train("0.91")
    register(registered.folder)
    (registered.folder / "new.csv").write_text("text\nhello\n")
    monkeypatch.chdir(registered.folder)
    return registered


def test_it_is_the_version_that_lies_in_the_project(asked: Project):
    source = asked.folder / "new.csv"
    found = answering_version(asked.folder, None, source=source)
    assert found is not None
    assert (found.version, found.input) == ("v0.0.2", "new.csv")
    answers = asked.folder / "out.csv"
    answers.write_text("label\na\n")
    remember(asked.folder, found, target=answers, rows=1)
    (told,) = read_predictions(asked.folder, "v0.0.2")
    assert (told.output, told.input, told.rows) == ("out.csv", "new.csv", 1)


def test_a_model_that_is_not_the_one_in_dvc_lock_is_no_version(asked: Project):
    path = next(path for path in (asked.folder / "models/selected").iterdir() if path.is_file())
    path.unlink()
    path.write_text("something else")
    assert answering_version(asked.folder, None, source=None) is None


def test_a_promotion_while_it_answers_does_not_change_who_answered(
    asked: Project, monkeypatch: pytest.MonkeyPatch
):
    def predict(*, model: Path, target: Path, **_: object) -> int:
        promote(asked.folder, "v0.0.2")
        target.write_text(model.name)
        return 1

    monkeypatch.setattr("flows.predict.predict", predict)
    assert main(["predict", "--model", "champion", "--input", "new.csv", "--output", "out.csv"]) == 0
    assert [len(read_predictions(asked.folder, one)) for one in ("v0.0.1", "v0.0.2")] == [1, 0]
    assert (asked.folder / "out.csv").read_text().startswith("v0.0.1")


@pytest.mark.usefixtures("asked")
def test_where_it_can_t_be_written_down_the_answers_stay_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def refused(*_: object) -> None:
        raise PermissionError("read-only file system")

    def predict(*, target: Path, **_: object) -> int:
        target.write_text("answers")
        return 1

    monkeypatch.setattr("flows.predict.predict", predict)
    monkeypatch.setattr(predicted, "record", refused)
    assert main(["predict", "--input", "new.csv", "--output", "out.csv"]) == 0
    assert capsys.readouterr().err == (
        "warning: out.csv is complete, but that v0.0.2 answered it could not be written down for `tritune "
        "lineage`: read-only file system\n"
    )
