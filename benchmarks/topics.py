"""The demo's task in more languages, so that there are rows enough for a benchmark's sample."""

from collections.abc import Iterator

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


def rows_of_all_languages() -> Iterator[dict[str, str]]:
    """Yield {"text": utterance, "label": topic} of every language above."""
    corpus = package_path("package:chatterbot_corpus/data", key="benchmark")
    for language in LANGUAGES:
        yield from topic_rows(conversation_files(corpus / language))
