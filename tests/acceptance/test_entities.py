"""Entities through the real pipeline: CoNLL files, a tiny model, the report, the card, and new texts."""

import json
import random
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

NAMES = {"person": (["rose", "soil"], ["tree", "bloom"]), "place": (["oven", "salt"], ["knife", "soup"])}
FILLERS = ["the", "a", "my", "is", "near", "with", "old", "new", "please", "where"]


def sentence(draw: random.Random) -> list[tuple[str, str]]:
    words = [(word, "O") for word in draw.sample(FILLERS, draw.randint(2, 5))]
    for kind, names in NAMES.items():
        at = draw.randint(0, len(words))
        if at and at < len(words) and words[at][1].startswith("I"):
            continue
        first, second = (draw.choice(part) for part in names)
        words[at:at] = [(first, f"B-{kind}"), (second, f"I-{kind}")]
    return words


def conll(rows: list[list[tuple[str, str]]]) -> str:
    lines = ["\n".join(f"{word}\t{tag}" for word, tag in row) for row in rows]
    return "-DOCSTART-\tO\n\n" + "\n\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def ran(make_clone, tiny_base):
    """A clone in which `tritune run` has found entities; the test split has a long text."""
    draw = random.Random(3)
    clone = make_clone()
    shutil.copytree(tiny_base, clone.folder / "base model")
    data = clone.folder / "tagged"
    data.mkdir()
    (data / "train.conll").write_text(conll([sentence(draw) for _ in range(150)]))
    (data / "dev.conll").write_text(conll([sentence(draw) for _ in range(40)]))
    long = [pair for _ in range(20) for pair in sentence(draw)]
    (data / "test.conll").write_text(conll([*(sentence(draw) for _ in range(39)), long]))

    def use_own_data(params):
        params["task"] = "named_entity_recognition"
        params["data"] = {"source": "tagged"}
        params["model"]["source"] = "base model"
        params["tokenize"] = {"max_length": 32, "stride": 8}
        params["methods"] = ["full"]
        params["train"].update(epochs=4, batch_size=8)
        # The base model is random: there is nothing to be careful with.
        params["method"] = {"full": {"kind": "full", "lr": 1e-2}}

    clone.set_params(use_own_data)
    clone.first = clone.tritune("run")
    assert clone.first.returncode == 0, clone.first.stdout + clone.first.stderr
    return clone


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_it_learns_the_easy_entities(ran):
    scores = read(ran.folder / "metrics/full-13.json")
    assert scores["test"]["entity_f1"] > 0.8
    assert set(scores["test"]) == {
        "entity_f1",
        "entity_precision",
        "entity_recall",
        "accuracy",
        "negative_log_likelihood",
    }


def test_every_entity_of_the_files_is_in_the_denominator(ran):
    text = (ran.folder / "tagged/test.conll").read_text()
    predictions = pq.read_table(ran.folder / "evaluations/full-13/predictions.parquet").to_pylist()
    tags = [tag for row in predictions if row["split"] == "test" for tag in row["tags"]]
    assert tags == [line.split("\t")[1] for line in text.splitlines()[1:] if line]
    info = read(ran.folder / "data/tokens/tokens.json")
    assert info["counts"]["test"]["windows"] > 0
    assert info["rows"]["test"] == info["examples"]["test"] + info["counts"]["test"]["windows"]


def test_report_and_card_speak_of_entities(ran):
    page = (ran.folder / "results/report.html").read_text()
    assert "Types of entities, weakest first" in page
    card = (ran.folder / "models/selected/README.md").read_text()
    assert "Named-entity recogniser with 2 types" in card
    assert re.search(r"`person`, `place`", card)


def test_predict_gives_entities_with_their_places(ran):
    text = "where is  the old rose tree\tplease"
    many = "near my oven knife " * 30
    done = ran.tritune("predict", stdin=f"{text}\n{many}\n")
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert [(one["type"], one["text"]) for one in first["entities"]] == [("person", "rose tree")]
    assert text[first["entities"][0]["start"] : first["entities"][0]["end"]] == "rose tree"
    assert 0.5 < first["entities"][0]["probability"] <= 1
    found = [(one["start"], one["end"]) for one in second["entities"]]
    assert found == [(19 * index + 8, 19 * index + 18) for index in range(30)]
