from tritune.explanation.read_words import read_words


def told(text: str, tokens: list[tuple[int, int, int]]) -> list[tuple[str, int, int, tuple[int, ...]]]:
    return [(word.text, word.start, word.end, word.tokens) for word in read_words("text", text, tokens)]


def test_the_pieces_of_a_word_are_one_word_with_its_characters():
    assert told("unseen words", [(1, 0, 2), (2, 2, 6), (3, 7, 12)]) == [
        ("unseen", 0, 6, (1, 2)),
        ("words", 7, 12, (3,)),
    ]


def test_a_space_that_a_token_begins_with_is_of_no_word():
    assert told("a card", [(0, 0, 1), (1, 1, 6)]) == [("a", 0, 1, (0,)), ("card", 2, 6, (1,))]


def test_words_that_share_a_token_are_one():
    assert told("yes, no", [(4, 0, 4), (5, 4, 7)]) == [("yes,", 0, 4, (4,)), ("no", 5, 7, (5,))]
    assert told("yes, no", [(4, 0, 2), (5, 2, 4), (6, 4, 7)])[0] == ("yes,", 0, 4, (4, 5))


def test_what_has_no_token_was_not_read_and_a_token_without_a_word_is_left_out():
    assert told("one  two three", [(1, 0, 3), (2, 3, 5), (3, 9, 14), (4, 0, 0)]) == [
        ("one", 0, 3, (1,)),
        ("three", 9, 14, (3,)),
    ]
