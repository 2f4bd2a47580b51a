from tests.tritune.tiny_tokenizers import byte_level
from tritune.explanation.read_prompt import Part, prompt_words

TOKENIZER = byte_level(special=("<pad>", "<eos>"))


def told(prompt: str, *parts: Part) -> tuple[list[tuple[str, str, int, int]], list[str]]:
    ids = TOKENIZER(prompt)["input_ids"]
    words, missing = prompt_words(TOKENIZER, ids, parts)
    for word in words:
        assert word.text in TOKENIZER.decode([ids[place] for place in word.tokens])
    return [(word.part, word.text, word.start, word.end) for word in words], missing


def test_only_the_user_s_words_are_words_with_their_places_in_what_was_given():
    found, missing = told(
        "user:\nHello there<eos>\nassistant:\n", Part("turn 1", "Hello there"), Part("turn 0", "absent")
    )
    assert found == [("turn 1", "Hello", 0, 5), ("turn 1", "there", 6, 11)]
    assert missing == ["turn 0"]


def test_a_stretch_has_the_places_of_the_whole_text():
    found, _ = told("Text: oat milk\nQ: milk", Part("context", "oat milk", 100), Part("question", "milk"))
    assert found == [
        ("context", "oat", 100, 103),
        ("context", "milk", 104, 108),
        ("question", "milk", 0, 4),
    ]


def test_equal_turns_are_told_apart_from_the_last_to_the_first():
    ids = TOKENIZER("a: Sure b: Sure c: Sure")["input_ids"]
    words, missing = prompt_words(TOKENIZER, ids, [Part(f"turn {n}", "Sure") for n in (4, 3, 2, 1)])
    assert [word.part for word in words] == ["turn 2", "turn 3", "turn 4"]
    assert missing == ["turn 1"]


def test_a_character_of_several_tokens_is_one_word_of_all_of_them():
    ids = TOKENIZER("a 😀 b")["input_ids"]
    words, _ = prompt_words(TOKENIZER, ids, [Part("text", "a 😀 b")])
    assert [word.text for word in words] == ["a", "😀", "b"]
    assert len(words[1].tokens) > 1
    assert TOKENIZER.decode([ids[place] for place in words[1].tokens]) == "😀"


def test_where_no_part_is_found_all_words_of_the_prompt_are_told_but_no_special_token():
    found, missing = told("Hello<eos>", Part("text", "HELLO"))
    assert found == [("prompt", "Hello", 0, 5)]
    assert missing == ["text"]
