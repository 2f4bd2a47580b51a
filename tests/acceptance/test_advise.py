"""`tritune advise` through the real pipeline, with a tiny model: a report, and what is missing once more."""

import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def advised(make_clone, tiny_base, topics_csv):
    """A clone in which two sizes with two seeds were asked for."""
    clone = make_clone()

    def use_own_data(params):
        params["data"] = {"source": str(topics_csv)}
        params["model"]["source"] = str(tiny_base)
        params["methods"] = ["full", "partial"]
        params["train"].update(epochs=2, batch_size=8)
        for method in params["method"].values():
            method["lr"] = 1e-2

    clone.set_params(use_own_data)
    clone.first = clone.tritune("advise", "--budget", "30m", "--sizes", "24,all", "--seeds", "2")
    assert clone.first.returncode == 0, clone.first.stdout + clone.first.stderr
    return clone


def advice(clone) -> dict:
    return json.loads((clone.folder / "advise/advice.json").read_text())


def test_it_says_its_plan_and_ends_with_the_advice_and_three_commands(advised):
    said = advised.first.stdout
    assert said.index("a seed takes") < said.index("learn@24-13  Completed")
    assert "labelled examples" in said
    assert "seeds: 2 at 24, 2 at" in said
    assert len(said.split("\nnext:\n")[1].strip().splitlines()) == 3
    assert [len(one["seeds"]) for one in advice(advised)["sizes"]] == [2, 2]


def test_dvc_finds_everything_up_to_date_and_git_only_what_is_to_be_kept(advised):
    assert advised.run("python", "-m", "dvc", "status", "--json", "advise/dvc.yaml").stdout.strip() == "{}"
    new = advised.run("git", "status", "--porcelain", "--untracked-files=all", "advise").stdout.split("\n")
    assert sorted(line[3:] for line in new if line) == [
        "advise/advice.json",
        "advise/cells.yaml",
        "advise/dvc.lock",
        "advise/dvc.yaml",
    ]


def test_asked_again_it_computes_only_what_is_missing(advised):
    before = advice(advised)
    again = advised.tritune("advise", "--budget", "30m", "--sizes", "24,all", "--seeds", "2")
    assert again.returncode == 0, again.stderr
    assert "learn@" not in again.stdout
    assert advice(advised) == before
    more = advised.tritune("advise", "--budget", "30m", "--sizes", "24", "--seeds", "3")
    assert more.returncode == 0, more.stderr
    assert more.stdout.count("  Completed") == 2  # one cell and the report
    assert [len(one["seeds"]) for one in advice(advised)["sizes"]] == [3, 2]


def test_a_cell_of_other_parameters_is_not_reported(advised):
    advised.set_params(lambda params: params["train"].update(weight_decay=0.02))
    done = advised.tritune("advise", "--budget", "30m", "--sizes", "24", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert [(one["examples"], one["seeds"]) for one in advice(advised)["sizes"]] == [(24, [13])]


def test_what_makes_no_sense_is_refused_before_any_work(advised):
    refused = advised.tritune("advise", "--sizes", "10000")
    assert refused.returncode == 2
    assert "is more than the" in refused.stderr
    assert advised.tritune("advise", "--budget", "soon").returncode == 2
