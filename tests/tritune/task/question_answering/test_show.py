import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jinja2 import Environment, StrictUndefined

from tritune.report import count, shown
from tritune.task.contract import Floor, Shipped
from tritune.task.question_answering import show
from tritune.task.question_answering.rows import SCHEMA
from tritune.task.question_answering.score import PREDICTIONS

NASTY = "<script>alert(1)</script> & the old red rose"
TEMPLATE = Path(show.__file__).with_name("show.html.j2")


def part(rows: int, without: int, missing: int = 0) -> dict:
    return {"rows": rows, "without_answer": without, "answers": {"given": rows, "not_in_context": missing}}


def profile(**parts: dict) -> dict:
    return {"splits": {"train": part(10, 0), "validation": part(10, 0), "test": part(20, 0)} | parts}


def shipped(
    folder: Path, *, f1: float = 0.5, said: dict | None = None, floor: Floor | None = None
) -> Shipped:
    return Shipped(
        evaluation=folder,
        ingested=folder,
        labels=[],
        objective="spans",
        profile=said or profile(),
        scores={"validation": {"answer_f1": f1}, "test": {"answer_f1": f1}},
        floor=floor,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Four questions: right, partly right, wrong, and answered though there is no answer."""
    start = NASTY.index("old red")
    gold = [{"text": "old red", "start": start, "end": start + 7}]
    said = [
        ("old red", start, 1.0),
        ("red rose", start + 4, 0.5),
        ("script", 1, 0.0),
        ("red", start + 4, 0.0),
    ]
    rows, ingested = [], []
    for number, (text, at, f1) in enumerate(said):
        golds = gold if number < 3 else []
        rows.append(
            {
                "split": "validation",
                "id": f"v:{number}",
                "question": "What <b>is</b> it?",
                "answers": [one["text"] for one in golds],
                "predicted": text,
                "start": at,
                "end": at + len(text),
                "score": 1.0,
                "probability": 0.9 - number / 10,
                "exact_match": float(f1 == 1.0),
                "f1": f1,
            }
        )
        ingested.append(
            {
                "id": f"v:{number}",
                "question_id": "",
                "question": "What?",
                "context": NASTY,
                "answers": [one["text"] for one in golds],
                "starts": [one["start"] for one in golds],
                "ends": [one["end"] for one in golds],
            }
        )
    rows.append({**rows[0], "split": "test", "id": "t:0", "exact_match": 0.0})
    pq.write_table(pa.Table.from_pylist(rows, schema=PREDICTIONS), tmp_path / "predictions.parquet")
    pq.write_table(pa.Table.from_pylist(ingested, schema=SCHEMA), tmp_path / "validation.parquet")
    with (tmp_path / "groups.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("split", "by", "group", "questions", "exact_match", "f1"))
        writer.writerow(("validation", "answer", "has an answer", 3, 0.333, 0.5))
        writer.writerow(("test", "answer", "has an answer", 1, 0, 0.5))
        writer.writerow(("validation", "answer", "has none", 1, 0, 0))
    return tmp_path


def test_the_block_has_the_surest_mistakes_first_with_both_answers_in_their_context(project):
    block = show.block(shipped(project))
    assert block["questions"] == 4
    assert [one["id"] for one in block["mistakes"]] == ["v:2", "v:3", "v:1"]  # no right word before some
    assert dict(block["kinds"]) == {
        "a wrong place": 1,
        "partly right words": 1,
        "answered, though there is no answer": 1,
    }
    pieces = {piece.mark: piece.text for piece in block["mistakes"][2]["pieces"] if piece.mark}
    assert pieces == {"gold": "old ", "both": "red", "said": " rose"}
    groups = block["groups"]
    assert groups[0]["validation"] == {"questions": 3, "exact_match": 0.333, "f1": 0.5}
    assert groups[1]["test"] is None


def test_the_page_escapes_what_comes_from_data_and_marks_not_by_colour_alone(project):
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(count=count, shown=shown)
    page = environment.from_string(TEMPLATE.read_text()).render(show.block(shipped(project)))
    assert "<script>alert" not in page
    assert "&lt;b&gt;is&lt;/b&gt;" in page
    assert '<mark class="answer both">red<small>both</small></mark>' in page
    assert '<mark class="answer gold">old <small>gold</small></mark>' in page


def test_the_floor_is_to_say_nothing_where_that_can_be_right():
    assert show.floor(profile(), []) is None
    floor = show.floor(profile(validation=part(10, 4), test=part(20, 5)), [])
    assert floor == Floor(
        name="always “no answer”",
        scores={
            "validation": {"answer_f1": 0.4, "exact_match": 0.4},
            "test": {"answer_f1": 0.25, "exact_match": 0.25},
        },
    )


def test_cautions(tmp_path):
    floor = show.floor(profile(validation=part(10, 4)), [])
    assert show.cautions("full", shipped(tmp_path)) == []
    assert show.cautions("full", shipped(tmp_path, f1=0.5, floor=floor)) == []
    assert show.cautions("full", shipped(tmp_path, f1=0.4, floor=floor)) == [
        "full is no better than always saying that there is no answer: validation F1 0.400 against 0.400. "
        "Train for longer, or try another learning rate."
    ]
    assert show.cautions("full", shipped(tmp_path, f1=0.0)) == [
        "full has no word of any answer right on the validation split: it has learnt nothing."
    ]
    assert show.cautions("full", shipped(tmp_path, said=profile(test=part(20, 0, missing=3)))) == [
        "3 of 20 gold answers of the test split are not in their context, so that no model can give them. "
        "They count all the same."
    ]
