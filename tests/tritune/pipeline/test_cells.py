from pathlib import Path

import pytest

from tritune.pipeline.cells import Cell, read_cells, take_away, write_pipeline

CELLS = [Cell("300", 13), Cell("300", 14), Cell("1000", 13), Cell("all", 13)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    template = tmp_path / "tasks/advise/pipeline.yaml"
    template.parent.mkdir(parents=True)
    template.write_text("stages: {}\n")
    return tmp_path


def test_cells_come_back_as_they_were_written_in_the_order_of_sizes(root):
    assert read_cells(root) == []
    write_pipeline(root, reversed(CELLS))
    assert read_cells(root) == CELLS
    assert (root / "advise/dvc.yaml").read_text() == "stages: {}\n"


def test_what_is_as_it_should_be_is_not_written_again(root):
    write_pipeline(root, CELLS)
    before = {path: path.stat().st_mtime_ns for path in (root / "advise").iterdir()}
    write_pipeline(root, CELLS)
    assert {path: path.stat().st_mtime_ns for path in (root / "advise").iterdir()} == before


def test_only_cells_with_a_result_of_these_settings_stay(root):
    write_pipeline(root, CELLS)
    for name in ("300-13", "1000-13", "77-5"):
        (root / "advise/cells" / name).mkdir(parents=True)
    take_away(root, kept=[CELLS[0]])
    assert read_cells(root) == [CELLS[0]]
    assert [path.name for path in (root / "advise/cells").iterdir()] == ["300-13"]


def test_without_a_cell_there_is_no_pipeline(root):
    write_pipeline(root, CELLS)
    take_away(root, kept=[])
    assert read_cells(root) == []
    assert not (root / "advise/dvc.yaml").exists()
