import pytest

from tritune.errors import InputError
from tritune.plan.rate import FROZEN, Rate, matching

NAMES = ["encoder.layer.0.dense.weight", "encoder.layer.0.LayerNorm.bias", "encoder.layer.10.dense.weight"]


def test_frozen_is_a_multiple_of_zero_without_a_rate_of_its_own():
    assert FROZEN.frozen
    assert not Rate().frozen
    assert not Rate(multiple=0.0, absolute=1e-5).frozen


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", [0, 1, 2]),
        ("*.layer.0.*", [0, 1]),
        ("*.layer.1?.*", [2]),
        ("*.LayerNorm.*", [1]),
        ("encoder.layer.[1-9]*", [2]),
        (NAMES[0], [0]),
    ],
)
def test_a_shell_pattern_matches_whole_names(pattern, found):
    assert matching(pattern, NAMES, key="k") == {NAMES[index] for index in found}


def test_case_matters():
    with pytest.raises(InputError):
        matching("*.layernorm.*", NAMES, key="k")


def test_a_pattern_without_match_names_key_and_the_closest_names():
    with pytest.raises(InputError) as caught:
        matching("encoder.layer.0.densse.weight", NAMES, key="method.m.rates")
    assert str(caught.value) == (
        "method.m.rates: the pattern 'encoder.layer.0.densse.weight' matches no tensor of the model; the "
        f"closest names are {NAMES[0]}, {NAMES[2]}, {NAMES[1]}; `tritune plan` lists the model's parts"
    )


def test_the_message_says_what_the_names_are_of():
    with pytest.raises(InputError, match=r"k: the pattern 'x' matches no linear layer of the model; "):
        matching("x", NAMES, key="k", what="linear layer")


def test_a_pattern_like_no_name_gets_the_first_names():
    with pytest.raises(InputError, match=f"closest names are {', '.join(NAMES)}; "):
        matching("???", NAMES, key="k")
