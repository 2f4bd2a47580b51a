import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.truncation import cut

IDS, SPECIAL = [101, 1, 2, 3, 4, 5, 6, 7, 8, 9, 102], [1, *[0] * 9, 1]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ("head", [101, 1, 2, 3, 4, 102]),
        ("tail", [101, 6, 7, 8, 9, 102]),
        ("head_tail", [101, 1, 7, 8, 9, 102]),
    ],
)
def test_by_hand(keep, kept):
    assert cut(IDS, SPECIAL, max_length=6, keep=keep) == kept


def test_without_special_tokens():
    assert cut([1, 2, 3, 4, 5], [0] * 5, max_length=4, keep="head_tail") == [1, 3, 4, 5]


@given(
    length=st.integers(0, 30),
    before=st.integers(0, 2),
    after=st.integers(0, 2),
    room=st.integers(1, 40),
    keep=st.sampled_from(["head", "tail", "head_tail"]),
)
def test_special_tokens_stay_order_stays_and_the_room_is_used(length, before, after, room, keep):
    ids = [*range(900, 900 + before), *range(length), *range(950, 950 + after)]
    special = [*[1] * before, *[0] * length, *[1] * after]
    limit = before + after + room
    kept = cut(ids, special, max_length=limit, keep=keep)
    assert len(kept) == min(len(ids), limit)
    assert kept[:before] == ids[:before]
    assert kept[len(kept) - after :] == ids[len(ids) - after :]
    own = kept[before : len(kept) - after]
    assert own == sorted(set(own))
