"""The process that waits beside a run: light, and not to be stopped by what lies in its way."""

import json
import subprocess
import sys
from pathlib import Path

from flows import crashed
from flows.crashed import flows_of


def test_it_loads_neither_prefect_nor_dvc():
    code = "import flows.watcher, sys; print({'prefect', 'dvc', 'scmrepo', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_flows_of_a_process_are_those_that_it_noted(tmp_path: Path, monkeypatch):
    for name, content in (
        ("a", {"process": "1:2.0", "api": "http://x"}),
        ("b", {"process": "3:4.0", "api": "http://x"}),
        ("c", {"process": "1:2.0"}),
        ("e", {"process": "1:2.0", "api": "http://y"}),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flow.json").write_text(json.dumps(content))
    (tmp_path / "d").mkdir()
    (tmp_path / "d/flow.json").symlink_to("taken away by the next run")
    listed = [tmp_path / name / "flow.json" for name in "abcde"]
    monkeypatch.setattr(crashed.Path, "glob", lambda *_: listed)
    assert list(flows_of(tmp_path, "1:2.0")) == [("http://x", "a"), ("http://y", "e")]
