"""Who may take the champion's place, and what is said of who may not."""

import numpy as np
import pytest

from tritune.errors import InputError
from tritune.promotion.sheet import Sheet
from tritune.promotion.verdict import Verdict, judge
from tritune.settings.register import RegisterSettings

ROWS = 1000


def sheet(*, wrong: range, error: float | None = 0.02, rows: int = ROWS) -> Sheet:
    """Wrong on a range of rows; the first fifth of the rows is class a, the others b."""
    scores = np.ones(rows)
    scores[wrong] = 0
    fifth = rows // 5
    ids = [str(row) for row in range(rows)]
    return Sheet("accuracy", ids, scores, {"a": scores[:fifth], "b": scores[fifth:]}, error)


def verdict(champion: Sheet, challenger: Sheet, **settings: float) -> Verdict:
    return judge(champion, challenger, RegisterSettings(**settings), names=("v0.0.1", "v0.0.2"))


def test_a_better_challenger_takes_the_place():
    found = verdict(sheet(wrong=range(900, 980)), sheet(wrong=range(950, 980)))
    assert found.promote
    assert found.reason == (
        "v0.0.2 takes the place of v0.0.1: accuracy 0.9700 against 0.9200 on the 1000 test rows of v0.0.1, "
        "not worse by 0.01 or more (p < 0.001), no class is shown to be worse, expected calibration error "
        "0.020 against 0.020"
    )
    assert found.numbers["classes"]["b"] == {
        "rows": 800,
        "champion": 0.9,
        "challenger": 0.9625,
        "p": 1.0,
    }


def test_a_worse_one_is_kept_out_with_both_scores():
    found = verdict(sheet(wrong=range(0)), sheet(wrong=range(900, 930)))
    assert not found.promote
    assert found.reason == (
        "v0.0.2 is kept out: accuracy 0.9700 against 1.0000 on the 1000 test rows of v0.0.1; register.margin "
        "allows 0.01 less (p = 1.000)"
    )


def test_as_good_on_few_rows_is_not_enough():
    found = verdict(sheet(wrong=range(0), rows=50), sheet(wrong=range(0), rows=50))
    assert found.reason == (
        "v0.0.2 is kept out: accuracy 1.0000 against 1.0000 on the 50 test rows of v0.0.1; these rows are "
        "too few, or differ too much, to show that it is not worse by 0.01 or more (p = 0.239, 0.05 is "
        "needed; a larger test set or register.margin would)"
    )


def test_a_class_that_got_worse_keeps_out_what_is_better_overall():
    found = verdict(sheet(wrong=range(300, 420)), sheet(wrong=range(20)))
    assert not found.promote
    assert found.reason.endswith(
        "test rows of v0.0.1; a is right 0.900 of the time instead of 1.000 (p < 0.001)"
    )


@pytest.mark.parametrize(("lost", "more"), [(4, "1 more class got worse"), (7, "4 more classes got worse")])
def test_of_many_classes_that_got_worse_the_three_that_lost_most_are_named(lost: int, more: str):
    right = {f"c{number}": np.ones(100) for number in range(7)}
    champion = Sheet("accuracy", ["row"] * 700, np.concatenate(list(right.values())), right)
    after = {f"c{number}": np.r_[np.zeros(20 + number), np.ones(80 - number)] for number in range(lost)}
    after = right | after
    challenger = Sheet("accuracy", ["row"] * 700, np.concatenate(list(after.values())), after)
    found = verdict(champion, challenger)
    named = [f"c{lost - place} is right {0.8 - (lost - place) / 100:.3f} of the time" for place in (1, 2, 3)]
    places = [found.reason.index(one) for one in named]
    assert places == sorted(places)
    assert found.reason.endswith(f"; {more}")
    assert len(found.numbers["classes"]) == 7


def test_a_class_may_lose_what_the_margin_allows():
    champion, challenger = sheet(wrong=range(300, 420)), sheet(wrong=range(10))
    assert verdict(champion, challenger, class_margin=0.05).promote
    assert not verdict(champion, challenger, class_margin=0.04).promote


def test_a_few_rows_of_a_class_prove_nothing():
    champion, challenger = sheet(wrong=range(300, 420)), sheet(wrong=range(20))
    few = {"a": 0, "b": 0}
    for one in (champion, challenger):
        object.__setattr__(one, "classes", {name: right[:4] for name, right in one.classes.items()})
        few = {name: len(right) for name, right in one.classes.items()}
    assert few == {"a": 4, "b": 4}
    # Four of four lost: p = 1/16, and twice that for two classes.
    assert verdict(champion, challenger).promote


def test_worse_calibration_keeps_out_what_is_better_otherwise():
    champion, challenger = sheet(wrong=range(900, 980)), sheet(wrong=range(950, 980), error=0.08)
    assert verdict(champion, challenger).reason.endswith(
        "; its expected calibration error is 0.080 instead of 0.020, and register.calibration_margin allows "
        "0.05 more"
    )
    assert verdict(champion, challenger, calibration_margin=0.06).promote


def test_a_calibration_error_exactly_the_margin_higher_is_the_last_that_passes():
    champion = sheet(wrong=range(900, 980), error=0.02)
    assert verdict(champion, sheet(wrong=range(950, 980), error=0.07)).promote
    assert not verdict(champion, sheet(wrong=range(950, 980), error=0.0701)).promote


def test_other_rows_can_t_be_compared():
    with pytest.raises(InputError) as refused:
        verdict(sheet(wrong=range(0)), sheet(wrong=range(0), rows=50))
    assert str(refused.value) == (
        "v0.0.2 and v0.0.1 did not answer the same test rows, so they can't be compared; compare them "
        "yourself, then `tritune promote v0.0.2 --force`"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_finite_numbers_are_refused(value: float):
    champion, challenger = sheet(wrong=range(0)), sheet(wrong=range(0))
    challenger.scores[3] = value
    with pytest.raises(InputError) as refused:
        verdict(champion, challenger)
    assert str(refused.value) == (
        "v0.0.2: 1 of its 1000 scores on the test rows of v0.0.1 are no finite number, so v0.0.2 can't be "
        "compared; see its training for a loss that ran away"
    )
    with pytest.raises(InputError, match=r"^v0\.0\.1: 1 of its 1000 scores"):
        verdict(challenger, champion)


def test_a_calibration_error_that_is_no_number_keeps_out():
    champion = sheet(wrong=range(900, 980))
    assert not verdict(champion, sheet(wrong=range(950, 980), error=np.nan)).promote


def test_a_p_value_that_is_no_number_keeps_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tritune.promotion.verdict.non_inferiority_p", lambda *_, **__: np.nan)
    assert not verdict(sheet(wrong=range(900, 980)), sheet(wrong=range(950, 980))).promote
