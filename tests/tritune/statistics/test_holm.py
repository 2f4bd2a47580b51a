"""Holm's procedure: by hand, by law, and by how often a family of true hypotheses gives an alarm."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tritune.statistics.holm import LEVEL, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6).map(lambda values: dict(enumerate(values)))


def test_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.6}) == {"a": 0.04, "b": 0.09, "c": 0.09, "d": 0.6}


@given(p_values=P_VALUES)
def test_no_p_value_falls_and_their_order_stays(p_values):
    adjusted = holm(p_values)
    assert list(adjusted) == list(p_values)
    assert all(p <= adjusted[name] <= 1 for name, p in p_values.items())
    by_p = sorted(p_values, key=lambda name: p_values[name])
    assert [adjusted[name] for name in by_p] == sorted(adjusted.values())


def test_of_families_without_an_effect_one_in_twenty_gives_an_alarm():
    draw = np.random.default_rng(1)
    families = draw.uniform(size=(2000, 4))
    alarms = np.mean([min(holm(dict(enumerate(row))).values()) <= LEVEL for row in families])
    assert alarms <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 2000)
    assert alarms > 0.02
