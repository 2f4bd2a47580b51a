from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jinja2 import Environment, StrictUndefined

from tritune.report import count, score, shown
from tritune.task.contract import Shipped
from tritune.task.named_entity_recognition import show
from tritune.task.named_entity_recognition.rows import SCHEMA
from tritune.task.named_entity_recognition.score import PREDICTIONS

TEMPLATE = Path(show.__file__).with_name("show.html.j2")


def part(**changes: Any) -> dict[str, Any]:
    return {
        "words_per_tag": {"O": 3, "B-x": 1},
        "entities": 1,
        "entities_per_type": {"x": 1},
        "malformed_transitions": 0,
    } | changes


def shipped(folder: Path, **changes: Any) -> Shipped:
    profile = {
        "splits": {split: part() for split in ("train", "validation", "test")},
        "dropped_types": {},
        "tag_scheme": "IOB2",
    }
    return Shipped(
        evaluation=folder,
        ingested=folder,
        labels=["O", "B-x", "I-x"],
        objective="token_labels",
        profile=profile | changes,
        scores={"validation": {"entity_f1": 0.5}, "test": {"entity_f1": 0.4}},
        floor=None,
    )


def written(folder: Path, *rows: tuple[str, str, str, list[float]]) -> Path:
    """Write texts as (words, tags, predicted, probabilities), and one type's scores."""
    pq.write_table(
        pa.Table.from_pylist(
            [
                {"id": str(number), "tokens": words.split(), "tags": tags.split()}
                for number, (words, tags, _, _) in enumerate(rows)
            ],
            schema=SCHEMA,
        ),
        folder / "validation.parquet",
    )
    predictions = [
        {
            "split": "validation",
            "id": str(number),
            "tags": tags.split(),
            "predicted": predicted.split(),
            "probabilities": probabilities,
            "entities": [],
        }
        for number, (_, tags, predicted, probabilities) in enumerate(rows)
    ]
    other = {**predictions[0], "split": "test", "predicted": ["B-no"] * len(predictions[0]["tags"])}
    pq.write_table(
        pa.Table.from_pylist([*predictions, other], schema=PREDICTIONS), folder / "predictions.parquet"
    )
    (folder / "per_type.csv").write_text(
        "split,type,entities,predicted,correct,precision,recall,f1\n"
        "validation,x,2,4,1,0.25,0.5,0.3333333333333333\ntest,y,1,0,0,0.0,0.0,0.0\n"
    )
    return folder


def page(folder: Path) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(count=count, score=score, shown=shown)
    return environment.from_string(TEMPLATE.read_text()).render(show.block(shipped(folder)))


RIGHT = ("ada is", "B-x O", "B-x O", [0.9, 0.9])


def test_texts_with_mistakes_are_shown_twice_with_their_entities_marked(tmp_path: Path) -> None:
    written(tmp_path, RIGHT, ("ada <b> oslo", "B-x O B-y", "B-x B-x O", [0.9, 0.6, 0.8]))
    html = page(tmp_path)
    marked = '<mark class="entity {}">{}<span class="type">{}</span></mark>'
    file = f"{marked.format('right', 'ada', 'x ✓')} &lt;b&gt; {marked.format('wrong', 'oslo', 'y ✗')}</p>"
    model = f"{marked.format('right', 'ada', 'x ✓')} {marked.format('wrong', '&lt;b&gt;', 'x ✗')} oslo</p>"
    assert file in html
    assert model in html
    assert html.count('<p class="tagged"') == 2
    assert "1 of 1 validation texts with mistakes" in html
    assert "1, probability 0.800" in html


def test_what_is_taken_for_what_is_counted(tmp_path: Path) -> None:
    written(
        tmp_path,
        ("a b c d e f", "B-x I-x O B-y O B-y", "B-x O O B-x B-z O", [0.5] * 6),
        ("a b", "O B-y", "B-x I-x", [0.5, 0.5]),
    )
    assert show.block(shipped(tmp_path))["confused"] == [
        ("no entity", "z", 1),
        ("x", "x, other words", 1),
        ("y", "nothing", 1),
        ("y", "x", 1),
        ("y", "x, other words", 1),
    ]


def test_the_surest_mistakes_come_first(tmp_path: Path) -> None:
    written(
        tmp_path,
        ("a b", "B-x O", "O O", [0.6, 0.99]),
        ("a b", "O O", "B-x I-x", [0.95, 0.9]),
    )
    texts = show.block(shipped(tmp_path))["texts"]
    assert [(one["id"], round(one["probability"], 3)) for one in texts] == [("1", 0.9), ("0", 0.6)]


def test_a_long_text_is_shown_around_its_mistakes(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(60)]
    tags = ["O"] * 30 + ["B-x"] + ["O"] * 29
    written(tmp_path, (" ".join(words), " ".join(tags), " ".join(["O"] * 60), [0.5] * 60))
    (text,) = show.block(shipped(tmp_path))["texts"]
    assert [piece.text for piece in text["gold"]] == [" ".join(words[18:30]), "w30", " ".join(words[31:43])]
    assert (text["begins"], text["ends"]) == (False, False)
    assert "… w18" in page(tmp_path)


def test_without_mistakes_the_page_says_so(tmp_path: Path) -> None:
    html = page(written(tmp_path, RIGHT))
    assert "None: every validation text was right." in html
    assert "Nothing: every entity of the validation split was found, and no other." in html


def test_a_type_that_one_split_lacks_has_zeros_there(tmp_path: Path) -> None:
    per_type = show.block(shipped(written(tmp_path, RIGHT)))["per_type"]
    assert [(row["type"], row["validation"]["entities"], row["test"]["entities"]) for row in per_type] == [
        ("y", 0, 1),
        ("x", 2, 0),
    ]


def test_the_floor_finds_no_entity() -> None:
    found = show.floor(shipped(Path()).profile, ["O", "B-x"])
    assert found is not None
    assert found.name == "no entity at all"
    assert found.scores["test"] == {
        "entity_f1": 0.0,
        "entity_precision": 0.0,
        "entity_recall": 0.0,
        "accuracy": 0.75,
    }


def test_the_table_of_splits_tells_words_and_entities() -> None:
    assert show.data_columns(part()) == {"words": 4, "entities": 1}


@pytest.mark.parametrize(
    ("changes", "f1", "sentences"),
    [
        ({}, 0.5, []),
        (
            {},
            0.0,
            [
                "full finds no entity of the validation split. Train for longer, try a higher learning rate, "
                "or look at the tags."
            ],
        ),
        (
            {"dropped_types": {"x": 1}},
            0.5,
            [
                f"1 entities of the {split} split are of types that were not learnt, and count as missed: "
                "'x' (1). Add training rows with such entities."
                for split in ("validation", "test")
            ],
        ),
        (
            {"splits": {"train": part(malformed_transitions=2)}},
            0.5,
            [
                "2 tags of the train split break the rules of IOB2, such as I-x after O; each begins an "
                "entity, as seqeval reads it. Look for entities cut in two."
            ],
        ),
    ],
)
def test_cautions(changes: dict[str, Any], f1: float, sentences: list[str]) -> None:
    model = shipped(Path(), **changes)
    model.scores["validation"]["entity_f1"] = f1  # type: ignore[index]
    assert show.cautions("full", model) == sentences
