import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.words import words_of


def parted(text: str) -> list[str]:
    return [word.text for word in words_of(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ada Lovelace, of London.", ["Ada", "Lovelace", ",", "of", "London", "."]),
        ("London's U.S. office", ["London", "'s", "U.S.", "office"]),
        ("Jean-Luc O'Neill’s AT&T", ["Jean-Luc", "O'Neill", "’s", "AT&T"]),
        ("(don't) 'quoted' \"x\"", ["(", "don't", ")", "'", "quoted", "'", '"', "x", '"']),
        ("$3.50, 1,000 and 10:30; v1.2", ["$", "3.50", ",", "1,000", "and", "10:30", ";", "v1.2"]),
        ("Paris,Berlin/Bonn...", ["Paris", ",", "Berlin/Bonn", "..."]),
        ("@ada #London!!", ["@ada", "#London", "!!"]),
        ("(https://x.org/a?b=1, a.b@c.org.)", ["(", "https://x.org/a?b=1", ",", "a.b@c.org", ".", ")"]),
        ("我爱北京。東京タワー", [*"我爱北京。東京タワ", "ー"]),
        ("في القاهرة، שלום", ["في", "القاهرة", "،", "שלום"]),
        ("हिन्दी में e\u0301te\u0301", ["हिन्दी", "में", "e\u0301te\u0301"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("hi👩\u200d👧👍🏽🇩🇪", ["hi", "👩\u200d👧", "👍🏽", "🇩🇪"]),
        ("a\tb\u00a0c\u2003d\r\n", ["a", "b", "c", "d"]),
        ("서울에서 살아요", ["서울에서", "살아요"]),
        (" \n", []),
        ("\u0301x", ["\u0301", "x"]),
    ],
)  # fmt: skip
def test_words_look_like_those_of_tagged_corpora(text: str, words: list[str]) -> None:
    assert parted(text) == words


@given(st.text())
def test_words_are_the_text_s_own_characters_but_for_white_space(text: str) -> None:
    end = 0
    for word in words_of(text):
        assert word.text == text[word.start : word.end]
        assert word.start >= end
        assert not text[end : word.start].strip()
        end = word.end
    assert not text[end:].strip()
