from hypothesis import given
from hypothesis import strategies as st

from tritune.question_answering.excerpt import GAP, excerpt


def told(context, gold, said):
    return [(piece.text, piece.mark) for piece in excerpt(context, gold=gold, said=said)]


def test_spans_that_overlap_are_three_pieces():
    assert told("the old red rose", (4, 11), (8, 16)) == [
        ("the ", ""),
        ("old ", "gold"),
        ("red", "both"),
        (" rose", "said"),
    ]


def test_what_lies_far_from_both_is_left_out():
    context = "word " * 200
    pieces = told(context, (0, 4), (600, 604))
    assert [mark for _, mark in pieces] == ["gold", "", "", "", "said", "", ""]
    assert [text for text, _ in pieces].count(GAP) == 2
    assert pieces[2] == (GAP, "")
    assert pieces[-1] == (GAP, "")
    assert all(len(text) < 150 for text, _ in pieces)


def test_without_spans_the_beginning_is_shown():
    assert told("word " * 5, None, None) == [("word " * 5, "")]
    assert told("word " * 200, None, None)[-1] == (GAP, "")


@given(st.text(max_size=600), st.data())
def test_the_pieces_are_the_context_with_gaps(context, data):
    def span():
        start = data.draw(st.integers(0, len(context)))
        return (start, data.draw(st.integers(start, len(context))))

    gold, said = span(), span()
    rest = context
    for piece in excerpt(context, gold=gold, said=said):
        if piece.text == GAP and piece.mark == "":
            continue
        assert piece.text in rest
        rest = rest[rest.index(piece.text) + len(piece.text) :]
