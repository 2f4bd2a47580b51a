import io

import pytest
from rich.console import Console

from tritune.plan.table import plan_remarks, plan_table
from tritune.plan.tuning_plan import TuningPlan


def rows(plan: TuningPlan) -> list[list[str]]:
    """The cells of every printed row, rulers left out."""
    console = Console(file=io.StringIO(), width=120)
    console.print(plan_table(plan, title="the title"))
    lines = console.file.getvalue().splitlines()
    return [
        [cell.strip() for cell in line.replace("┃", "│").strip("│").split("│")]
        for line in lines
        if "│" in line or "┃" in line
    ]


def test_a_row_tells_part_tensors_parameters_rate_and_compute(compiled):
    table = rows(compiled("partial", freeze_layers=2, lr=1e-3))
    assert table[0] == ["group", "tensors", "parameters", "learning rate", "compute"]
    assert [row[0] for row in table[1:-1]] == ["embeddings", "layer.0", "layer.1", "layer.2", "final", "head"]
    layer = 4 * (16 * 16 + 16) + (16 * 32 + 32) + (32 * 16 + 16) + 2 * (2 * 16)
    assert table[2][:4] == ["layer.0", "16", f"{layer:,}", "frozen"]
    assert table[4][:4] == ["layer.2", "16", f"{layer:,}", "1.00e-03"]
    assert table[-1] == ["total", "57", "8,371", "", "100.0%"]


def test_the_rows_add_up_to_the_total(compiled):
    table = rows(compiled("adaptive", rates={"*.attention.*": 1e-5}, lr=1e-3))
    assert sum(int(row[1].replace(",", "")) for row in table[1:-1]) == int(table[-1][1].replace(",", ""))
    assert sum(int(row[2].replace(",", "")) for row in table[1:-1]) == int(table[-1][2].replace(",", ""))
    assert sum(float(row[-1].rstrip("%")) for row in table[1:-1]) == pytest.approx(100, abs=0.5)


def test_exponents_have_a_column_where_there_are_any(compiled):
    table = rows(compiled("adaptive", decay=0.5, lr=8e-4))
    assert table[0][4] == "exponent"
    assert [row[4] for row in table[1:-1]] == ["3", "2", "1", "0", "0", "0"]
    assert [row[3] for row in table[1:-1]] == ["1.00e-04", "2.00e-04", "4.00e-04", *["8.00e-04"] * 3]


def test_starts_have_a_column_where_there_are_several(compiled):
    table = rows(compiled("gradual", unfreeze_share=0.8, lr=8e-4))
    assert table[0][4:] == ["learns from", "compute"]
    assert [row[4] for row in table[1:]] == ["80%", "60%", "40%", "20%", "20%", "0%", ""]
    both = rows(compiled("gradual", unfreeze_share=0.8, decay=0.5, lr=8e-4))
    assert both[0][4:] == ["exponent", "learns from", "compute"]
    assert "learns from" not in rows(compiled("full"))[0]


def test_the_remarks_tell_the_phases(compiled):
    assert plan_remarks(compiled("probe_then_full", lr=1e-3))[2:] == [
        "2 phases: 51 parameters from 0%, 8,371 parameters from 33% of the steps on; each start has its own "
        "warm-up"
    ]


def test_a_part_with_several_rates_has_a_row_for_each_frozen_first(compiled):
    table = rows(compiled("partial", freeze_patterns=["*.layer.1.attention.*"], lr=1e-3))
    assert [(row[1], row[3]) for row in table if row[0] == "layer.1"] == [("10", "frozen"), ("6", "1.00e-03")]


def test_the_remarks_say_what_learns_what_is_new_and_how_rates_came_about(compiled):
    plan = compiled("full")
    assert plan_remarks(plan) == [
        "8,371 of 8,371 parameters learn (100.0%), 0.0 MFLOP per token",
        "new, initialised from the seed: classifier.bias, classifier.weight",
        *plan.notes,
    ]
    assert plan_remarks(compiled("full", lr=1e-4, new_tensors=[]))[1:] == [
        "new, initialised from the seed: none"
    ]
