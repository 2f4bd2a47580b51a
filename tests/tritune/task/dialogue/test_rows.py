import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tritune.data.rows import RawFile
from tritune.errors import InputError
from tritune.settings.data import DataSettings
from tritune.task.dialogue.rows import ingest

SETTINGS = DataSettings(source="x")


def turns(*contents, first="user"):
    roles = ("user", "assistant") if first == "user" else ("assistant", "user")
    return [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]


def ingested(tmp_path, settings=SETTINGS, **splits):
    files = {}
    for split, dialogues in splits.items():
        path = tmp_path / f"{split}.jsonl"
        path.write_text(
            "".join(json.dumps({"messages": one}, ensure_ascii=False) + "\n" for one in dialogues)
        )
        files[split] = (path, RawFile(path.name, f"my_{path.name}"))
    return ingest(files, settings, spool=Path("unused"))


def many(number):
    return [turns(f"question {i}", f"answer {i}") for i in range(number)]


def test_dialogues_of_every_split_come_out_as_they_went_in(tmp_path):
    data = ingested(tmp_path, train=many(3), validation=[turns("v", "w")], test=[turns("t", "u", "x", "y")])
    assert {split: table.num_rows for split, table in data.tables.items()} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }
    assert data.tables["test"].to_pylist() == [{"id": "test.jsonl:1", "messages": turns("t", "u", "x", "y")}]
    assert data.labels == []
    assert data.profile["splits"]["test"] == {
        "rows": 1,
        "distinct_texts": 1,
        "turns": 4,
        "assistant_turns": 2,
        "characters": dict.fromkeys(["min", "p05", "p25", "p50", "p75", "p95", "p99", "max"], 4),
    }


def test_parquet_with_structs_gives_the_same(tmp_path):
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"messages": many(40)}), path)
    of_parquet = ingest(
        {"train": (path, RawFile("train.parquet", "train.parquet"))}, SETTINGS, spool=Path("unused")
    )
    of_jsonl = ingested(tmp_path, train=many(40))
    for split in of_jsonl.tables:
        assert (
            of_parquet.tables[split]["messages"].to_pylist() == of_jsonl.tables[split]["messages"].to_pylist()
        )


def test_a_missing_split_is_cut_by_the_dialogue_alone(tmp_path):
    fewer = ingested(tmp_path, train=many(60))
    more = ingested(tmp_path, train=many(90))
    assert fewer.profile["splits_cut_from_train"] == ["validation", "test"]
    for split in ("validation", "test"):
        before = fewer.tables[split]["messages"].to_pylist()
        assert before
        assert all(one in more.tables[split]["messages"].to_pylist() for one in before)


def test_what_teaches_nothing_is_dropped_from_train_and_counted(tmp_path):
    data = ingested(
        tmp_path,
        train=[
            *many(2),
            [{"role": "user", "content": "alone"}],
            turns("blank", "  "),
            turns("QUESTION  1", "answer 1"),
            turns("v", "w"),
            turns("t", "u"),
        ],
        validation=[turns("v", "w")],
        test=[turns("T", "u")],
    )
    assert data.tables["train"]["id"].to_pylist() == ["train.jsonl:1", "train.jsonl:2"]
    dropped = {reason: found["examples"] for reason, found in data.profile["dropped"]["train"].items()}
    assert dropped == {
        "no_assistant": ["train.jsonl:3"],
        "blank_turn": ["train.jsonl:4"],
        "repeated": ["train.jsonl:5"],
        "also_in_validation": ["train.jsonl:6"],
        "also_in_test": ["train.jsonl:7"],
    }


def test_what_is_odd_is_noticed_and_kept(tmp_path):
    odd = [
        turns("Welcome", "Hi", "Yo", first="assistant"),
        [
            {"role": "user", "content": "a "},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
        ],
    ]
    data = ingested(tmp_path, train=many(2), validation=[*odd, odd[0]], test=[odd[0]])
    assert data.tables["validation"]["messages"].to_pylist()[1][0] == {"role": "user", "content": "a\nb"}
    noticed = {
        reason: found["rows"] for reason, found in data.profile["noticed_and_kept"]["validation"].items()
    }
    assert noticed == {
        "assistant_begins": 2,
        "joined_turns": 1,
        "trimmed_turns": 1,
        "repeated": 1,
        "also_in_test": 2,
    }


def refused(tmp_path, **splits):
    with pytest.raises(InputError) as caught:
        ingested(tmp_path, **splits)
    return str(caught.value)


def test_rows_for_validation_and_test_are_never_dropped(tmp_path):
    kept = "and rows for validation and test are never dropped; mend or delete it"
    where = "my_test.jsonl, row 1 (line 1), column 'messages'"
    assert refused(tmp_path, train=many(9), test=[turns("alone")]) == (
        f"{where}: the dialogue has no turn of the assistant, {kept}"
    )
    assert refused(tmp_path, train=many(9), test=[turns("a", " ")]) == (
        f"{where}: the dialogue has a turn of white space only, {kept}"
    )


def test_a_problem_is_told_with_file_row_and_turn(tmp_path):
    assert refused(tmp_path, train=[*many(1), [{"role": "tool", "content": "x"}]]).startswith(
        "my_train.jsonl, row 2 (line 2), column 'messages', turn 1: the role is 'tool'; it must be one of"
    )


def test_a_split_without_a_dialogue_is_refused(tmp_path):
    assert refused(tmp_path, train=many(1), validation=many(1), test=[turns("t", "u")]) == (
        "my_train.jsonl: no dialogue is left to train on: 1 were given, and all of them have no turn of the "
        "assistant, a blank turn, or are in another split"
    )
    assert refused(tmp_path, train=many(1), test=[turns("t", "u")]) == (
        "data.validation_fraction: 0.1 of 1 dialogues left the validation split without one; add dialogues, "
        "raise it, or give a file validation.jsonl"
    )
