"""The stage `compare`, run on the made-up project in the current folder."""

import json
from pathlib import Path

import pytest

from tasks.compare import run
from tests.tasks import fabricated


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path)
    return tmp_path


def compare(**more) -> tuple[dict, str]:
    """Run the stage; return comparison.json and the page."""
    context = fabricated.compare_context(**more)
    run(context)
    results = context.scratch / "outputs/results"
    return json.loads((results / "comparison.json").read_text()), (results / "report.html").read_text()
