import numpy as np

from tritune.data.facts import facts_of
from tritune.data.rows import RawFile, Row, text_key

FILE = RawFile("train.csv", "tickets.csv")


def test_a_row_is_named_by_raw_file_and_row_and_placed_in_the_user_s_own_file() -> None:
    given = [Row(FILE, 1, 2, "x", "a", text_key("x")), Row(FILE, 2, 5, " ", "b", text_key(" "))]
    rows = facts_of(given, FILE)
    assert rows.first_ids(5) == ["train.csv:1", "train.csv:2"]
    assert rows.only(np.array([False, True])).place(0) == "tickets.csv, row 2 (line 5)"
    assert rows.facts.blank.tolist() == [False, True]


def test_a_file_without_lines_has_places_without_them() -> None:
    rows = facts_of([Row(FILE, 1, None, "x", "a", text_key("x"))], FILE)
    assert rows.place(0) == "tickets.csv, row 1"


def test_what_is_kept_of_a_row_does_not_grow_with_its_text() -> None:
    def kept(words: int) -> int:
        text = "word " * words
        facts = facts_of([Row(FILE, i, i, text, "a", text_key(text)) for i in range(1, 101)], FILE).facts
        columns = (facts.labels, facts.keys, facts.lines, facts.characters, facts.blank)
        return sum(column.nbytes for column in columns) // 100

    assert kept(1) == kept(1000) == 33
