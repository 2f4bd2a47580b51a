import hashlib

from tritune.data.rows import RawFile, normalised_text, place, text_key

FILE = RawFile("train.csv", "tickets.csv")


def test_texts_are_the_same_up_to_case_space_and_composition() -> None:
    assert normalised_text("  Caf\u00c9\t\n au  lait ") == "caf\u00e9 au lait"
    assert text_key("cafe\u0301") == text_key("CAF\u00c9")
    assert text_key("Straße") == text_key("STRASSE")
    assert text_key("a b") != text_key("ab")


def test_the_key_is_the_sha256_of_the_normalised_text() -> None:
    assert text_key(" Hello ") == hashlib.sha256(b"hello").digest()


def test_a_place_is_said_in_the_user_s_own_names() -> None:
    assert place(FILE, 17, 21, "label") == "tickets.csv, row 17 (line 21), column 'label'"
    assert place(FILE, 17, None) == "tickets.csv, row 17"
