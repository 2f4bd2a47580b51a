import pyarrow as pa
import pyarrow.parquet as pq

from tritune.training.history import read_history, write_history


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "history.parquet"
    rows = [{"epoch": 1, "step": 5, "train_loss": 0.5}, {"epoch": 2, "step": 10, "train_loss": 0.4}]
    parts = [{"validation_loss_parts": [0.1, 0.2]}, {"validation_loss_parts": [0.3, 0.4]}]
    write_history(path, rows, parts=parts, best_epoch=2, warnings=["slow"])
    found, warnings = read_history(path)
    assert found == [{**rows[0], **parts[0], "best": False}, {**rows[1], **parts[1], "best": True}]
    assert warnings == ["slow"]


def test_a_history_without_warnings_or_parts_is_read_too(tmp_path):
    path = tmp_path / "history.parquet"
    pq.write_table(pa.table({"epoch": [1], "best": [True]}), path)
    assert read_history(path) == ([{"epoch": 1, "best": True}], [])
