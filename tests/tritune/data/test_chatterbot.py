from pathlib import Path

import pytest

from tritune.address import package_path
from tritune.data.chatterbot import dialogue_rows, topic_rows
from tritune.data.files import conversation_files
from tritune.errors import InputError


def written(folder: Path, content: str | bytes) -> list[Path]:
    path = folder / "food.yml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [path]


def test_each_distinct_utterance_is_a_row_with_the_file_as_topic(tmp_path: Path) -> None:
    files = written(
        tmp_path,
        "categories: [food]\nconversations:\n- - 'What do you eat? '\n  - 1963\n- - What do you eat?\n  - "
        "yes\n- alone\n- - ''\n",
    )
    assert list(topic_rows(files)) == [
        {"text": text, "label": "food"} for text in ("What do you eat?", "1963", "yes", "alone")
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"conversations: [\xff]", "data.source: food.yml: byte 16 is not UTF-8; save the file as UTF-8"),
        (
            "conversations:\n- - 'open\n",
            "data.source: food.yml, line 3: not valid YAML: found unexpected end of stream",
        ),
        (
            "- just\n- a list\n",
            "data.source: food.yml: no list `conversations` of lists of texts; a folder of .yml files must "
            "be a corpus in the form of chatterbot-corpus",
        ),
        (
            "conversations:\n- - {a: b}\n",
            "data.source: food.yml: an utterance is \"{'a': 'b'}\", not text; `conversations` must be a list "
            "of lists of texts",
        ),
    ],
)
def test_another_kind_of_yaml_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        list(topic_rows(written(tmp_path, content)))
    assert str(caught.value) == message


def test_the_packaged_corpus_is_read_whole() -> None:
    files = conversation_files(package_path("package:chatterbot_corpus/data/english", key="data.source"))
    rows = list(topic_rows(files))
    assert len({row["label"] for row in rows}) == len(files) == 21
    assert 1_800 < len(rows) < 2_000
    assert {"text": "What is AI?", "label": "ai"} in rows


def test_utterances_are_the_user_s_and_the_assistant_s_by_turns(tmp_path: Path) -> None:
    files = written(
        tmp_path,
        "conversations:\n- - 'What do you eat? '\n  - 1963\n  - ah\n- alone\n- - q\n  - ' '\n  - lost\n"
        "- - ''\n",
    )
    assert list(dialogue_rows(files)) == [
        {
            "messages": [
                {"role": "user", "content": "What do you eat?"},
                {"role": "assistant", "content": "1963"},
                {"role": "user", "content": "ah"},
            ]
        },
        {"messages": [{"role": "user", "content": "alone"}]},
        {"messages": [{"role": "user", "content": "q"}]},
    ]
