import pytest

from flows.advice_asked import Asked, asked_for, seconds_of
from tritune.errors import InputError
from tritune.pipeline.cells import Cell
from tritune.settings.project import Project


def project(*seeds: int) -> Project:
    return Project(
        task="text_classification",
        data={"source": "a.csv"},
        model={"source": "m"},
        methods=["full"],
        seeds=list(seeds),
        method={"full": {"kind": "full"}},
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("2h", 7200), ("1h30m", 5400), ("1h5m10s", 3910)]
)
def test_a_budget_is_written_as_people_do(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["60", "", "0m", "an hour", "30m1h"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InputError) as refused:
        seconds_of(text)
    assert str(refused.value) == (f"--budget: {text!r} is not a time; write for example 45m, 2h or 1h30m")


def test_a_budget_that_the_report_alone_needs_is_refused():
    with pytest.raises(InputError) as refused:
        seconds_of("1m")
    assert str(refused.value) == (
        "--budget: 1m is too short, for a minute of it is kept for the report; give 90s or more"
    )


def test_sizes_ascend_and_seeds_go_on_after_those_of_the_project():
    asked = asked_for("all, 1000,300", 4, project=project(13, 7))
    assert asked == Asked(("300", "1000", "all"), (13, 7, 14, 15))
    assert asked.cells("300")[0] == Cell("300", 13)
    assert [cell.name for cell in asked.all_cells()][-2:] == ["all-14", "all-15"]
    assert asked_for("all", 1, project=project(13, 7)).seed_numbers == (13,)


@pytest.mark.parametrize("word", ["9", "1e3", "ten", "-5", "10.5", "²00"])
def test_what_is_no_size_is_refused(word):
    with pytest.raises(InputError) as refused:
        asked_for(f"300,{word}", 5, project=project(13))
    assert str(refused.value) == (
        f"--sizes: {word} is not a size; write whole numbers of 10 or more, or `all`, with commas between, "
        "for example 300,1000,all"
    )


def test_an_empty_or_repeated_size_and_seeds_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"^--sizes: nothing between two commas is not a size; "):
        asked_for("300,,all", 5, project=project(13))
    with pytest.raises(InputError, match=r"^--sizes: 300 is named twice; name each size once$"):
        asked_for("300,0300", 5, project=project(13))
    for seeds in (0, 51):
        with pytest.raises(InputError, match=rf"^--seeds: must be from 1 to 50 \(got {seeds}\); 3 or more "):
            asked_for("all", seeds, project=project(13))


def test_a_size_above_the_training_split_is_refused_and_its_own_number_is_all():
    asked = asked_for("300,9005", 1, project=project(13))
    assert asked.checked(9005).sizes == ("300", "all")
    with pytest.raises(InputError) as refused:
        asked.checked(9004)
    assert str(refused.value) == (
        "--sizes: 9,005 is more than the 9,004 training examples there are; leave it out, or say `all`"
    )
    assert asked_for("100,all", 1, project=project(13)).checked(100).sizes == ("all",)
