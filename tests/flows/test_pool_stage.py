"""What a worker tells of a stage beside its result."""

import json
from pathlib import Path

from flows import pool_stage


def test_what_an_earlier_run_with_other_settings_measured_is_not_told(tmp_path: Path, monkeypatch):
    told: list[list[dict[str, str]]] = []
    monkeypatch.setattr(pool_stage, "create_table_artifact", lambda rows, **_: told.append(rows))
    (tmp_path / "measurements").mkdir()
    (tmp_path / "measurements/train@full-13.json").write_text('{"key": "0123", "seconds": 1.5}')
    for key in ("0123", "4567"):
        pool_stage._publish_facts(tmp_path, "train@full-13", ("flat loss",), key=key)
    warning = {"what": "warning", "value": json.dumps("flat loss")}
    measured = [{"what": "key", "value": '"0123"'}, {"what": "seconds", "value": "1.5"}]
    assert told == [[*measured, warning], [warning]]
