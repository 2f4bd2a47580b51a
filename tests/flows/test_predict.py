import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.predict import predict
from tritune.errors import InputError

ROOT = Path(__file__).parents[2]
LABELS = ["garden", "kitchen", "travel"]


@pytest.fixture(scope="module")
def model(tiny_classifier) -> Path:
    return tiny_classifier(LABELS)


def run(model: Path, source: Path | None = None, target: Path | None = None, **more) -> None:
    settings = {"format": None, "columns": {}, "batch_size": 2, "everything": False}
    predict(model=model, source=source, target=target, **(settings | more))


@pytest.fixture
def texts(tmp_path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text('id,text\nk1,rose soil\nk2,"the, bread\noven"\nk3,my old ticket\n')
    return path


def test_every_row_gets_the_label_that_transformers_gives_it(model, texts, tmp_path):
    from transformers import pipeline

    run(model, texts, tmp_path / "out.jsonl", everything=True)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["k1", "k2", "k3"]
    classify = pipeline("text-classification", model=str(model), device="cpu", top_k=None)
    for row in rows:
        expected = {answer["label"]: answer["score"] for answer in classify([row["text"]])[0]}
        assert row["probabilities"] == pytest.approx(expected, abs=1e-5)
        assert row["label"] == max(expected, key=expected.get)
        assert row["probability"] == row["probabilities"][row["label"]]


def test_probabilities_are_as_sure_as_the_model_was_right(model, texts, tmp_path):
    """The temperature that ships with the model divides its logits."""
    warm = tmp_path / "warm"
    shutil.copytree(model, warm)
    (warm / "decided.json").write_text('{"temperature": 2.0}')
    run(model, texts, tmp_path / "cold.jsonl", everything=True)
    run(warm, texts, tmp_path / "warm.jsonl", everything=True)
    for cold, row in zip(*(read_lines(tmp_path / f"{name}.jsonl") for name in ("cold", "warm")), strict=True):
        roots = {label: probability**0.5 for label, probability in cold["probabilities"].items()}
        expected = {label: root / sum(roots.values()) for label, root in roots.items()}
        assert row["probabilities"] == pytest.approx(expected, abs=1e-4)
        assert row["label"] == cold["label"]


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_csv_by_the_name_of_the_output(model, texts, tmp_path):
    run(model, texts, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "text", "label", "probability"]
    assert rows[1]["text"] == "the, bread\noven"
    assert {row["label"] for row in rows} <= set(LABELS)


def test_everything_as_csv_columns(model, texts, capsys):
    run(model, texts, format="csv", everything=True)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0])[4:] == [f"probability_{label}" for label in LABELS]
    assert sum(float(rows[0][f"probability_{label}"]) for label in LABELS) == pytest.approx(1, abs=1e-5)


def test_many_chunks_give_what_one_gives(model, tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("".join(f"rose {'soil ' * (i % 5)}\n" for i in range(70)))

    def answers(batch_size: int) -> list[tuple]:
        run(model, source, tmp_path / "out.jsonl", batch_size=batch_size)
        rows = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
        return [(row["id"], row["text"], row["label"]) for row in rows]

    assert answers(1) == answers(100)
    assert [row[0] for row in answers(2)] == list(range(1, 71))


def test_stdin_to_stdout_as_a_command(model):
    code = f"""
from pathlib import Path
from flows.predict import predict
predict(model=Path({str(model)!r}), source=None, target=None, format=None, columns={{}},
        batch_size=8, everything=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input="rose soil\nété\n".encode(), capture_output=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr.decode()
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [row["text"] for row in rows] == ["rose soil", "été"]
    assert done.stderr == b""


def test_a_bad_row_leaves_the_old_output_and_nothing_half_written(model, tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("text\n" + "rose\n" * 100 + "a,b\n")
    target.write_text("old")
    with pytest.raises(InputError, match="row 101"):
        run(model, source, target)
    assert target.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out.jsonl"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"batch_size": 0}, "--batch-size must be at least 1 (got 0)"),
        ({"target": Path("out.xlsx")}, "--output: out.xlsx: only .jsonl and .csv are written; rename it"),
        ({"target": Path("absent/out.csv")}, "--output: the folder absent does not exist; make it first"),
        ({"target": Path()}, "--output: . is a folder; name a file in it"),
        ({"target": Path("in.csv")}, "--output: in.csv is the input; name another file, so that it stays"),
        ({"model": Path("absent")}, "absent: there is no such folder; `tritune run` makes models/selected"),
        ({"columns": {"text": "words"}}, "in.csv: no column 'words'; give --text one of: 'id', 'text'"),
        ({"source": Path("empty.csv")}, "empty.csv: nothing to answer; give one row or more"),
        (
            {"columns": {"question": "q"}},
            "--column question: this model is for text_classification and reads text; name one of these",
        ),
    ],
)
def test_wrong_arguments_are_named_before_torch_is_loaded(model, texts, tmp_path, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    Path("empty.csv").write_text("text\n")
    # Importing it would raise ImportError.
    monkeypatch.setitem(sys.modules, "tritune.task.text_classification.answer", None)
    given = {"model": model, "source": texts, "target": None} | more
    with pytest.raises(InputError) as error:
        run(**given)
    assert str(error.value).startswith(message)


def test_empty_stdin_is_named(model, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n\n")))
    with pytest.raises(InputError, match="stdin: nothing to answer; give one row or more"):
        run(model)
