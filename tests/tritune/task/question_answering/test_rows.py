import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.data.rows import RawFile, text_key
from tritune.data.split import part
from tritune.errors import InputError
from tritune.settings.data import DataSettings
from tritune.task.question_answering.rows import SCHEMA, ingest

CONTEXT = "The cat sat on the mat."
CAT = {"text": ["cat", "The cat"], "answer_start": [4, 0]}


def squad(*paragraphs: tuple[str, list[dict]]) -> dict:
    made = [{"context": context, "qas": entries} for context, entries in paragraphs]
    return {"version": "v2.0", "data": [{"title": "a", "paragraphs": made}]}


def entry(question: str, answers: list[tuple[str, int]], **more: object) -> dict:
    return {
        "id": f"id of {question}",
        "question": question,
        "answers": [{"text": text, "answer_start": start} for text, start in answers],
        **more,
    }


def ingested(folder: Path, **files: object):
    """Write each split as a file and ingest them: a dict as SQuAD's .json, a list of rows as .jsonl."""
    paths = {}
    for split, content in files.items():
        ending = ".json" if isinstance(content, dict) else ".jsonl"
        path = folder / f"{split}{ending}"
        lines = [json.dumps(one) for one in ([content] if isinstance(content, dict) else content)]
        path.write_text("\n".join(lines), encoding="utf-8")
        paths[split] = (path, RawFile(path.name, f"my-{split}{ending}"))
    return ingest(paths, DataSettings(source="x"), spool=Path("unused"))


def row(question: str, context: str = CONTEXT, answers: object = CAT, **more: object) -> dict:
    return {"question": question, "context": context, "answers": answers, **more}


def others(*contexts: str) -> list[dict]:
    return [row("who?", context, []) for context in contexts]


def refused(folder: Path, **files: object) -> str:
    with pytest.raises(InputError) as caught:
        ingested(folder, **files)
    return str(caught.value)


def test_squad_version_2(tmp_path: Path) -> None:
    who_ran = entry("Who ran?", [], is_impossible=True)
    content = squad(
        (CONTEXT, [entry("Who sat?", [("cat", 4), ("The cat", 0)]), who_ran]),
        ("Another text.", [entry("What?", [("text", 8)], is_impossible=False)]),
    )
    data = ingested(tmp_path, train=content, validation=others("b"), test=others("c"))
    table = data.tables["train"]
    assert table.schema == SCHEMA
    assert table.to_pylist() == [
        {
            "id": "train.json:1",
            "question_id": "id of Who sat?",
            "question": "Who sat?",
            "context": CONTEXT,
            "answers": ["cat", "The cat"],
            "starts": [4, 0],
            "ends": [7, 7],
        },
        {
            "id": "train.json:2",
            "question_id": "id of Who ran?",
            "question": "Who ran?",
            "context": CONTEXT,
            "answers": [],
            "starts": [],
            "ends": [],
        },
        {
            "id": "train.json:3",
            "question_id": "id of What?",
            "question": "What?",
            "context": "Another text.",
            "answers": ["text"],
            "starts": [8],
            "ends": [12],
        },
    ]
    assert data.labels == []
    assert data.profile["splits"]["train"]["without_answer"] == 1


def test_what_seems_an_answer_is_none(tmp_path: Path) -> None:
    plausible = [{"text": "cat", "answer_start": 4}]
    content = squad((CONTEXT, [entry("Who ran?", [], is_impossible=True, plausible_answers=plausible)]))
    data = ingested(tmp_path, train=content, validation=others("b"), test=others("c"))
    assert data.tables["train"].column("answers").to_pylist() == [[]]


@pytest.mark.parametrize(
    "answers", [CAT, [{"text": "cat", "answer_start": 4}, {"text": "The cat", "answer_start": 0}]]
)
@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_rows_with_columns_and_both_forms_of_answers(tmp_path: Path, answers: object, ending: str) -> None:
    paths = {}
    contexts = {"train": CONTEXT, "validation": "cat b", "test": "cat c"}
    for split, context in contexts.items():
        one = row("Who?", context, answers)
        path = tmp_path / f"{split}{ending}"
        if ending == ".jsonl":
            path.write_text(json.dumps(one))
        else:
            pq.write_table(pa.Table.from_pylist([one]), path)
        paths[split] = (path, RawFile(path.name, path.name))
    data = ingest(paths, DataSettings(source="x"), spool=Path("unused"))
    (only,) = data.tables["train"].to_pylist()
    assert (only["id"], only["question_id"]) == (f"train{ending}:1", "")
    assert (only["answers"], only["starts"], only["ends"]) == (["cat", "The cat"], [4, 0], [7, 7])


def test_columns_can_have_other_names(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    lines = [
        {"text": f"The cat number {number}.", "q": "Who?", "a": CAT, "id": number} for number in range(60)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    settings = DataSettings(source="x", context="text", question="q", answers="a")
    data = ingest({"train": (path, RawFile(path.name, path.name))}, settings, spool=Path("unused"))
    assert sum(table.num_rows for table in data.tables.values()) == 60
    assert data.tables["train"].column("question_id").to_pylist()[0].isdigit()


def test_drifted_offsets_are_mended_and_what_is_nowhere_is_kept_for_the_test(tmp_path: Path) -> None:
    drifted = row("a?", answers={"text": ["cat", "the mat"], "answer_start": [6, 15]})
    nowhere = row("b?", "A cat ran.", {"text": ["dog"], "answer_start": [0]})
    blank = row("c?", "Cats.", {"text": [" ", ""], "answer_start": [0, 0]})
    test = [nowhere | {"context": "No cat."}, blank]
    data = ingested(tmp_path, train=[drifted, nowhere], validation=others("b"), test=test)
    assert data.tables["train"].column("starts").to_pylist() == [[4, 15]]
    assert data.profile["splits"]["train"]["answers"] == {
        "given": 2,
        "at_their_place": 1,
        "found_elsewhere": 1,
        "not_in_context": 0,
        "blank_left_out": 0,
    }
    assert data.profile["dropped"]["train"]["answer_not_found"]["examples"] == ["train.jsonl:2"]
    assert data.tables["test"].column("answers").to_pylist() == [["dog"], []]
    assert data.tables["test"].column("starts").to_pylist() == [[-1], []]
    assert data.profile["splits"]["test"]["answers"]["not_in_context"] == 1
    assert data.profile["splits"]["test"]["answers"]["blank_left_out"] == 2
    assert data.profile["noticed_and_kept"]["test"]["answer_not_found"]["rows"] == 1


def test_a_context_of_validation_or_test_leaves_the_training_questions(tmp_path: Path) -> None:
    train = [("a?", "B  text"), ("b?", "c TEXT"), ("c?", "own cat"), (" ", "own cat")]
    train += [("d?", "own  cat"), ("C?", "own cat")]
    data = ingested(
        tmp_path,
        train=[row(*one) for one in train],
        validation=[row("x?", "b text", []), row("y?", "c text", [])],
        test=[row("z?", "c text", [])],
    )
    assert data.tables["train"].column("id").to_pylist() == ["train.jsonl:3", "train.jsonl:5"]
    found = {reason: one["examples"] for reason, one in data.profile["dropped"]["train"].items()}
    assert found == {
        "blank": ["train.jsonl:4"],
        "context_in_test": ["train.jsonl:2"],
        "context_in_validation": ["train.jsonl:1"],
        "repeated": ["train.jsonl:6"],
    }
    assert data.tables["validation"].num_rows == 2
    noticed = data.profile["noticed_and_kept"]["validation"]
    assert noticed["context_in_test"]["examples"] == ["validation.jsonl:2"]


def test_missing_splits_are_cut_by_context(tmp_path: Path) -> None:
    rows = [row(f"question {number}?", f"The cat, paragraph {number // 5}.") for number in range(500)]
    data = ingested(tmp_path, train=rows)
    of = {split: set(table.column("context").to_pylist()) for split, table in data.tables.items()}
    assert not of["train"] & of["validation"]
    assert not (of["train"] | of["validation"]) & of["test"]
    for split, contexts in of.items():
        for context in contexts:
            assert part(text_key(context), test_fraction=0.2, validation_fraction=0.1) == split
    assert data.profile["splits_cut_from_train"] == ["validation", "test"]
    assert sum(table.num_rows for table in data.tables.values()) == 500


LIST = {"text": ["cat"], "answer_start": [4, 5]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([row("")], "my-train.jsonl, row 1 (line 1): the question is missing; fill it in or delete the row"),
        (
            [row("a?"), row("b?", context=3)],
            "my-train.jsonl, row 2 (line 2): the context is 3, of type int; it must be a string",
        ),
        (
            [row("a?", answers="cat")],
            "my-train.jsonl, row 1 (line 1): the answers are 'cat', of type str; they must be an object "
            "with the lists `text` and `answer_start`, or a list of objects with `text` and `answer_start`",
        ),
        (
            [row("a?", answers=LIST)],
            "my-train.jsonl, row 1 (line 1): the answers are {'text': ['cat'], 'answer_start': [4, 5]}; "
            "`text` and `answer_start` must be lists of equal length",
        ),
        (
            [row("a?", answers=[{"text": 5, "answer_start": 0}])],
            "my-train.jsonl, row 1 (line 1): an answer is 5; its `text` must be a string",
        ),
        (
            [row("a?", answers=[{"text": "cat", "answer_start": "4"}])],
            "my-train.jsonl, row 1 (line 1): the answer 'cat' has `answer_start` '4'; it must be a whole "
            "number, the position of its first character in the context, from 0",
        ),
        (
            [row("a?", is_impossible=True)],
            "my-train.jsonl, row 1 (line 1): `is_impossible` is true, but there are 2 answers; correct one "
            "of them (what only seems to be an answer belongs into `plausible_answers`)",
        ),
        (
            [row("a?", answers=[], is_impossible=False)],
            "my-train.jsonl, row 1 (line 1): `is_impossible` is false, but there is no answer; add one, "
            "or say true",
        ),
        (
            [row("a?", is_impossible="no")],
            "my-train.jsonl, row 1 (line 1): `is_impossible` is 'no'; it must be true or false",
        ),
        (
            [{"question": "a?", "body": CONTEXT, "answers": CAT}],
            "my-train.jsonl, row 1 (line 1): no column 'context'; set data.context in params.yaml to one of: "
            "'question', 'body', 'answers'",
        ),
        (
            {"data": [{"paragraphs": [{"context": CONTEXT}]}]},
            "my-train.json, data[0].paragraphs[0]: no list `qas`; a .json file must have SQuAD's form, data "
            "> paragraphs > qas. Rows with columns go into a .jsonl file, one object a line",
        ),
        (
            {"data": [{"paragraphs": [{"context": CONTEXT, "qas": ["who?"]}]}]},
            "my-train.json, data[0].paragraphs[0].qas[0]: 'who?', but it must be an object with a `question`",
        ),
        (
            squad((CONTEXT, [entry("a?", []), {"id": 3}])),
            "my-train.json, data[0].paragraphs[0].qas[1]: the question is missing; fill it in or delete "
            "the row",
        ),
        ({"data": []}, "my-train.json: no questions; add some, or remove the file"),
        (
            [row(" ")],
            "my-train.jsonl: no question is left to train on: all are blank, share their context with "
            "validation or test, or have answers that are not in their context",
        ),
        (
            [row("a?", "The cat ran.")],
            "data.validation_fraction: no context of 1 training questions falls into the validation split; "
            "add contexts, raise it, or give a file validation.json",
        ),
        (
            squad((CONTEXT, [entry("\ud83d?", [])])),
            "my-train.json, data[0].paragraphs[0].qas[0]: it holds half of a surrogate pair (\\ud800 to "
            "\\udfff), which is not a character; write the data anew from their source",
        ),
    ],
)
def test_what_can_t_be_repaired_is_said(tmp_path: Path, content: object, message: str) -> None:
    assert refused(tmp_path, train=content) == message


def test_a_blank_question_is_never_dropped_from_the_test(tmp_path: Path) -> None:
    assert refused(tmp_path, train=[row("a?")], test=[row("\t")]) == (
        "my-test.jsonl, row 1 (line 1): the question is only white space, and rows for validation and test "
        "are never dropped; fill it in or delete the row"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "train.csv",
            b"a,b\n",
            "my: a .csv file can't hold lists of answers; write .jsonl, .parquet, or .json in SQuAD's form",
        ),
        (
            "train.json",
            b'{"data": [}',
            "my: not valid JSON (Expecting value: line 1 column 11 (char 10)); write it anew",
        ),
        ("train.json", b'{"data": \xff}', "my: byte 9 is not UTF-8; save the file as UTF-8"),
        (
            "train.json",
            b"[1]",
            "my: no list `data`; a .json file must have SQuAD's form, data > paragraphs > qas. Rows with "
            "columns go into a .jsonl file, one object a line",
        ),
    ],
)
def test_what_is_no_file_of_questions_is_said(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        ingest({"train": (path, RawFile(name, "my"))}, DataSettings(source="x"), spool=Path("unused"))
    assert str(caught.value) == message
