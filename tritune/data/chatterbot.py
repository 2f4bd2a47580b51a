"""A folder of conversations as labelled text, each utterance with its file's name as topic, or as dialogues.

Format: https://github.com/gunthercox/chatterbot-corpus, one YAML file a topic, with a list `conversations` of
lists of utterances.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from tritune.errors import InputError

KEY = "data.source"


def topic_rows(files: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Yield {"text": utterance, "label": file stem} for each distinct utterance of a file, in its order.

    Questions and replies repeat many times in such corpora (one English file has 2,100 utterances, 20
    of them distinct), so an utterance counts once a file. White space at its ends is cut off. A
    conversation that is a single string, as one of the English corpus is, is one utterance.

    Raises:
        InputError: Not UTF-8, not YAML, no list `conversations`, or one that holds something else than text.
    """
    for file in files:
        seen: dict[str, None] = {}
        for conversation in _conversations(file):
            for utterance in [conversation] if isinstance(conversation, str) else conversation:
                if text := _text(utterance, file).strip():
                    seen[text] = None
        for utterance in seen:
            yield {"text": utterance, "label": file.stem}


def dialogue_rows(files: Sequence[Path]) -> Iterator[dict[str, list[dict[str, str]]]]:
    """Yield {"messages": turns} for each conversation, by turns the user's and the assistant's.

    An utterance of white space only ends its conversation, for what follows it answers something else.

    Raises:
        InputError: As `topic_rows`.
    """
    for file in files:
        for conversation in _conversations(file):
            turns: list[dict[str, str]] = []
            for utterance in [conversation] if isinstance(conversation, str) else conversation:
                text = _text(utterance, file).strip()
                if not text:
                    break
                turns.append({"role": "assistant" if len(turns) % 2 else "user", "content": text})
            if turns:
                yield {"messages": turns}


def _text(utterance: object, file: Path) -> str:
    if not isinstance(utterance, str):
        raise InputError(
            f"{KEY}: {file.name}: an utterance is {str(utterance)[:80]!r}, not text; "
            "`conversations` must be a list of lists of texts"
        )
    return utterance


def _conversations(file: Path) -> list[list[object] | str]:
    try:
        # base: every scalar is text, so that an answer such as 1963 stays as written.
        content = YAML(typ="base").load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{KEY}: {file.name}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{KEY}: {file.name}, line {line}: not valid YAML: {error.problem}") from None
    conversations = content.get("conversations") if isinstance(content, dict) else None
    if not isinstance(conversations, list) or not all(isinstance(item, list | str) for item in conversations):
        raise InputError(
            f"{KEY}: {file.name}: no list `conversations` of lists of texts; a folder of .yml files must be "
            "a corpus in the form of chatterbot-corpus"
        )
    return conversations
