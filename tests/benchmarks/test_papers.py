import pytest
from ruamel.yaml import YAML

from benchmarks.papers import PAPERS, ROOT, page


def record(paper, *, accuracies: dict[str, float]) -> dict:
    methods = [
        {"name": name, "seeds": {"13": accuracies.get(name, 0.5), "14": accuracies.get(name, 0.5) + 0.02}}
        for name in paper.rows
    ]
    return {"examples": {"train": 1000, "test": 300}, "epochs": 4, "methods": methods}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.configuration)
def test_each_row_of_a_table_is_a_method_of_its_configuration(paper):
    params = YAML(typ="safe").load(ROOT / f"configs/{paper.configuration}.yaml")
    assert params["methods"] == list(paper.rows)
    assert all(len(theirs) == len(paper.columns) for _, theirs in paper.rows.values())


def test_errors_stand_beside_theirs_with_the_difference_from_the_first_row():
    accuracies = {"decay_100": 0.6, "decay_095": 0.61, "full": 0.7}
    records = {paper.configuration: record(paper, accuracies=accuracies) for paper in PAPERS}
    lines = page(records).splitlines()
    assert "| 1.00 | 5.52 | 5.42 | `decay_100` | 39.0 ± 1.4 | +0.0 |" in lines
    assert "| 0.95 | 5.46 | 5.40 | `decay_095` | 38.0 ± 1.4 | -1.0 |" in lines
    assert "| Full | 6.87 | 6.86 | 5.81 | `full` | 29.0 ± 1.4 | +0.0 |" in lines
