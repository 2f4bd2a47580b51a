import json
from pathlib import Path

import pytest

from tritune.data.chitchat import chitchat_rows
from tritune.data.files import conversation_files
from tritune.errors import InputError


def said(sender, *texts):
    return [{"sender": sender, "text": text, "timestamp": "2018"} for text in texts]


def written(folder: Path, content) -> Path:
    path = folder / "dataset.json"
    path.write_text(json.dumps(content))
    return path


def test_who_begins_is_the_user_and_what_one_sends_in_a_row_is_one_turn(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        {
            "a": {
                "messages": [
                    said("x", "Hi ", "how are you?"),
                    said("y", "fine"),
                    said("y", " "),
                    said("x", "ok"),
                ]
            },
            "b": {"messages": [said("x", "nobody answered")]},
        },
    )
    assert conversation_files(file) == [file]
    assert list(chitchat_rows(file)) == [
        {
            "messages": [
                {"role": "user", "content": "Hi\nhow are you?"},
                {"role": "assistant", "content": "fine"},
                {"role": "user", "content": "ok"},
            ]
        }
    ]


def test_another_json_file_is_no_corpus_of_conversations(tmp_path: Path) -> None:
    assert conversation_files(written(tmp_path, [1, 2])) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            [1],
            "data.source: dataset.json: not a JSON object of conversations ('list' object has no attribute "
            "'values')",
        ),
        (
            {"a": {"messages": ["hi"]}},
            "data.source: dataset.json, conversation 1: no list `messages` of lists of utterances with "
            "`sender` and `text`; write your dialogues as jsonl or parquet with a column `messages`",
        ),
    ],
)
def test_what_is_malformed_is_said(tmp_path: Path, content, message: str) -> None:
    with pytest.raises(InputError) as caught:
        list(chitchat_rows(written(tmp_path, content)))
    assert str(caught.value) == message
