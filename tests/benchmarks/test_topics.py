import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.topics import LANGUAGES, rows_of, rows_of_all_languages


@pytest.mark.parametrize("labels", ["languages", "english_topics"])
def test_rows_of_the_corpus_are_written_under_the_labels_that_are_asked_for(labels):
    command = [sys.executable, "-m", "benchmarks.topics", labels]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if labels == "english_topics":
        assert rows == list(rows_of("english"))
        return
    assert {row["label"] for row in rows} == set(LANGUAGES)
    texts = [row["text"] for row in rows]
    assert len(texts) == len(set(texts))
    assert set(texts) == {row["text"] for row in rows_of_all_languages()}
