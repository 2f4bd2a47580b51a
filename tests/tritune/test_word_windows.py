from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tritune.word_windows import Window, word_windows


def test_a_short_text_is_one_window() -> None:
    assert word_windows([1, 2], room=3, stride=1) == [Window(0, 2, 0, 2)]
    assert word_windows([], room=3, stride=1) == [Window(0, 0, 0, 0)]


def test_neighbours_share_the_stride_and_halve_it() -> None:
    assert word_windows([1] * 10, room=6, stride=4) == [
        Window(0, 6, 0, 4),
        Window(2, 8, 4, 6),
        Window(4, 10, 6, 10),
    ]


def test_windows_are_cut_between_words() -> None:
    assert word_windows([2, 2, 2, 2, 2], room=5, stride=2) == [
        Window(0, 2, 0, 2),
        Window(1, 3, 2, 3),
        Window(2, 4, 3, 4),
        Window(3, 5, 4, 5),
    ]


def test_a_word_as_long_as_a_window_stands_alone() -> None:
    assert [(one.start, one.end) for one in word_windows([1, 4, 1], room=4, stride=2)] == [
        (0, 1),
        (1, 2),
        (2, 3),
    ]


def test_words_without_tokens_belong_to_a_window_too() -> None:
    assert word_windows([0, 2, 0, 2, 0], room=2, stride=0) == [Window(0, 3, 0, 3), Window(2, 5, 3, 5)]


TEXTS = st.lists(st.integers(0, 4), max_size=40)


@given(TEXTS, st.integers(4, 9), st.integers(0, 8))
def test_each_word_is_answered_once_where_it_has_most_context(
    lengths: list[int], room: int, stride: int
) -> None:
    windows = word_windows(lengths, room=room, stride=stride)
    answered = [word for one in windows for word in range(one.answered_from, one.answered_to)]
    assert answered == list(range(len(lengths)))
    for one in windows:
        assert one.start <= one.answered_from <= one.answered_to <= one.end
        assert sum(lengths[one.start : one.end]) <= room
        for word in range(one.answered_from, one.answered_to):
            best = max(context(lengths, word, other) for other in windows if other.start <= word < other.end)
            assert context(lengths, word, one) == best


@given(TEXTS, st.integers(4, 9), st.integers(0, 8))
def test_every_window_brings_new_words_and_shares_at_most_the_stride(
    lengths: list[int], room: int, stride: int
) -> None:
    windows = word_windows(lengths, room=room, stride=stride)
    assert (windows[0].start, windows[-1].end) == (0, len(lengths))
    for before, after in pairwise(windows):
        assert before.end < after.end
        assert before.start < after.start <= before.end
        assert sum(lengths[after.start : before.end]) <= stride


def context(lengths: list[int], word: int, window: Window) -> int:
    return min(sum(lengths[window.start : word]), sum(lengths[word + 1 : window.end]))
