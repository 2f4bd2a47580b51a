"""The demo's corpus in more languages, so that there are rows enough for a benchmark's sample.

    python -m benchmarks.topics languages > languages.jsonl

writes rows of it under labels of one's choice, as jsonl: for benchmarks that take --data.
"""

import argparse
import json
from collections.abc import Iterator
from importlib.metadata import version

from tritune.address import package_path
from tritune.data.chatterbot import topic_rows
from tritune.data.files import conversation_files

LANGUAGES = (
    "dutch",
    "english",
    "french",
    "german",
    "indonesian",
    "italian",
    "portuguese",
    "swedish",
    "turkish",
)
"""Folders of chatterbot_corpus/data in Latin letters, which the demo's tokenizer knows, whose files are named
as the English ones: the same topic is the same label."""


def corpus_name() -> str:
    """Return what a page calls the texts."""
    return f"chatterbot-corpus {version('chatterbot-corpus')}, topics in {len(LANGUAGES)} languages"


def rows_of_all_languages() -> Iterator[dict[str, str]]:
    """Yield {"text": utterance, "label": topic} of every language above."""
    for language in LANGUAGES:
        yield from rows_of(language)


def rows_of(language: str) -> Iterator[dict[str, str]]:
    """Yield {"text": utterance, "label": topic} of one language."""
    corpus = package_path("package:chatterbot_corpus/data", key="benchmark")
    yield from topic_rows(conversation_files(corpus / language))


def rows_by_language() -> Iterator[dict[str, str]]:
    """Yield {"text": utterance, "label": language}, each utterance under the first language that has it."""
    seen: set[str] = set()
    for language in LANGUAGES:
        for row in rows_of(language):
            if row["text"] not in seen:
                seen.add(row["text"])
                yield {"text": row["text"], "label": language}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", choices=("languages", "english_topics"))
    labels = parser.parse_args().labels
    for row in rows_by_language() if labels == "languages" else rows_of("english"):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
