import io
import json
import sys
from pathlib import Path

import pytest

from flows.cli import main
from flows.explain import explain
from tritune.errors import InputError

LABELS = ["garden", "kitchen", "travel"]


@pytest.fixture(scope="module")
def model(tiny_classifier) -> Path:
    return tiny_classifier(LABELS, model_max_length=8)


def run(model: Path, text: str | None = None, **more) -> None:
    settings = {"source": None, "target": None, "columns": {}, "attention": False}
    explain(model=model, text=text, **(settings | more))


def test_a_text_is_explained_in_a_terminal(model, capsys):
    run(model, "my rose [bold] soil", attention=True)
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert lines[0] == "TEXT"
    assert lines[1].startswith("label: ")
    assert lines[2] == "text: my rose [bold] soil"
    assert "rose" in shown
    assert "text 3-7" in shown
    assert "All words together: log-odds of the label" in shown
    assert "random orders" in shown
    assert "other attentions" in " ".join(shown.split())


def test_rows_become_a_file_with_every_word_and_what_was_not_read(model, tmp_path):
    from flows.predict import predict

    source = tmp_path / "in.csv"
    source.write_text("id,message\nk1,rose soil\nk2,the old bread is near my new oven please\n")
    columns = {"text": "message"}
    run(model, source=source, target=tmp_path / "out.jsonl", columns=columns)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["id"], row["text"]) for row in rows] == [
        ("k1", "rose soil"),
        ("k2", "the old bread is near my new oven please"),
    ]
    predict(
        model=model,
        source=source,
        target=tmp_path / "labels.jsonl",
        format=None,
        columns=columns,
        batch_size=2,
        everything=False,
    )
    labels = [json.loads(line)["label"] for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [row["explanations"][0]["label"] for row in rows] == labels
    short, long = (row["explanations"][0] for row in rows)
    assert [word["text"] for word in short["words"]] == ["rose", "soil"]
    assert short["unread"] == []
    assert [word["text"] for word in long["words"]] == ["the", "old", "bread", "is", "near", "my"]
    assert long["unread"] == [
        "the model read 6 of the 9 tokens of text (characters 0 to 24 of 40); the rest had no part in this"
    ]


def test_lines_from_stdin_are_explained_one_by_one(model, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"rose\nsoil\n")))
    run(model)
    assert [line for line in capsys.readouterr().out.splitlines() if line in ("1", "2")] == ["1", "2"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"text": " "}, "TEXT is empty; give the text to explain, or a file by --input"),
        ({"target": Path("out.csv")}, "--output: out.csv: explanations are written as .jsonl; rename it"),
        (
            {"text": "a", "source": Path("in.csv")},
            "TEXT and --input: two sources are given; leave one out",
        ),
        ({"model": Path("absent")}, "absent: there is no such folder; `tritune run` makes models/selected"),
        ({"source": Path("empty.csv")}, "empty.csv: nothing to explain; give one row or more"),
        (
            {"text": "a", "columns": {"question": "q"}},
            "--column question: this model is for text_classification and reads text; name one of these",
        ),
    ],
)
def test_wrong_arguments_are_named_before_torch_is_loaded(model, tmp_path, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    Path("empty.csv").write_text("text\n")
    # Importing it would raise ImportError.
    monkeypatch.setitem(sys.modules, "tritune.task.text_classification.explain", None)
    given = {"model": model, "text": None} | more
    with pytest.raises(InputError) as error:
        run(**given)
    assert str(error.value) == message


def test_a_model_of_several_inputs_wants_an_object(tiny_base, tmp_path):
    config = json.loads((tiny_base / "config.json").read_text())
    config["tritune"] = {
        "task": "question_answering",
        "objective": "spans",
        "inputs": ["question", "context"],
        "answering": {"stride": 5},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError) as error:
        run(tmp_path, "where is my rose")
    assert str(error.value) == (
        "TEXT: this model reads question and context; give them as a JSON object, or a csv with these "
        "columns by --input"
    )


def test_a_row_that_can_t_be_explained_is_named_and_leaves_no_file(model, tmp_path, monkeypatch):
    source = tmp_path / "in.csv"
    source.write_text("text\nrose\nsoil\n")

    def only_rose(part, text, tokens):
        from tritune.explanation.read_words import read_words

        return [word for word in read_words(part, text, tokens) if word.text == "rose"]

    monkeypatch.setattr("tritune.task.text_classification.explain.read_words", only_rose)
    with pytest.raises(InputError) as error:
        run(model, source=source, target=tmp_path / "out.jsonl")
    assert str(error.value) == (
        "row 2: the model reads no word of this, so that there is nothing to explain; give it words"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv"}


def test_without_a_model_the_command_says_what_makes_one(monkeypatch, tmp_path, capsys):
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "my rose"]) == 2
    assert capsys.readouterr().err == (
        "error: models/selected: there is no such folder; `tritune run` makes models/selected\n"
    )
