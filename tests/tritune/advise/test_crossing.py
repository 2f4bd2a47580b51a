import pytest

from tritune.advise.crossing import crossing


@pytest.mark.parametrize(
    ("signs", "found", "words"),
    [
        ((-1, -1, 1), True, "full overtakes partial between 1,000 and 9,005 examples"),
        ((-1, 0, 1), True, "full overtakes partial between 300 and 9,005 examples"),
        ((-1, 1, 1), True, "full overtakes partial between 300 and 1,000 examples"),
        ((0, 0, 0), False, "full and partial are not shown to differ at any size"),
        (
            (-1, -1, -1),
            False,
            "full overtaking partial is not seen up to 9,005 examples: it is worse at 300, 1,000 and 9,005",
        ),
        (
            (-1, 0, 0),
            False,
            "full overtaking partial is not shown up to 9,005 examples: it is worse at 300",
        ),
        (
            (1, 1, 1),
            False,
            "full is better than partial already at 300 examples, the fewest that were tried",
        ),
        (
            (0, 1, 1),
            False,
            "full is better than partial from 1,000 examples on; with fewer, neither is shown to be",
        ),
        (
            (1, 0, 0),
            False,
            "full is better than partial at 300 examples, but at 1,000 and 9,005 neither is shown to be",
        ),
        (
            (0, 1, 0),
            False,
            "full is better than partial at 1,000 examples, but at 300 and 9,005 neither is shown to be",
        ),
        (
            (1, 0, 1),
            False,
            "full is better than partial at 300 and 9,005 examples, but at 1,000 neither is shown to be",
        ),
        (
            (-1, 1, 0),
            True,
            "full overtakes partial between 300 and 1,000 examples, but at 9,005 neither is shown to be "
            "better",
        ),
        ((1, 0, -1), False, "full is better than partial at 300 examples and worse at 9,005"),
    ],
)
def test_a_crossing_is_claimed_only_between_two_sizes_that_show_it(signs, found, words):
    told = crossing("full", "partial", list(zip((300, 1000, 9005), signs, strict=True)))
    assert (told.found, told.words) == (found, words)
