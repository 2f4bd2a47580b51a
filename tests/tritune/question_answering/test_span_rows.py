import pytest

from tritune.question_answering.span_search import MAX_ANSWER_TOKENS
from tritune.settings.model import TokenizeSettings
from tritune.task.question_answering.encode import encoder

CONTEXT = "one two three four five six seven eight nine ten"


def place(words: str) -> tuple[int, int]:
    start = CONTEXT.index(words)
    return start, start + len(words)


def encoded(tokenizer, *answers: str | None, stride: int = 2):
    places = [place(answer) if answer is not None else (-1, -1) for answer in answers]
    counts: dict[str, int] = {}
    settings = TokenizeSettings(stride=stride)
    batch = encoder(tokenizer, settings, labels=[], objective="spans", given=()).encode(
        {
            "id": ["train.json:1"],
            "question": ["what is"],
            "context": [CONTEXT],
            "starts": [[start for start, _ in places]],
            "ends": [[end for _, end in places]],
        },
        counts,
    )
    return batch, counts


def test_each_window_points_at_the_answer_or_at_its_no_answer_position(tokenizer_of):
    batch, counts = encoded(tokenizer_of("plain_words", max_length=9), "five six")
    assert batch.column("labels").to_pylist() == [[0, 0], [4, 5], [0, 0]]
    assert batch.column("id").to_pylist() == ["train.json:1"] * 3
    assert batch.column("no_answer").to_pylist() == [0, 0, 0]
    assert counts == {
        "questions_cut": 0,
        "answers": 1,
        "unreachable": 0,
        "unreachable_questions": 0,
    }


def test_an_answer_in_two_windows_is_learnt_in_both(tokenizer_of):
    batch, _ = encoded(tokenizer_of("plain_words", max_length=9), "four five")
    assert batch.column("labels").to_pylist() == [[6, 7], [3, 4], [0, 0]]


def test_a_question_without_answer_points_at_nothing(tokenizer_of):
    batch, counts = encoded(tokenizer_of("plain_words", max_length=9))
    assert batch.column("labels").to_pylist() == [[0, 0]] * 3
    assert (counts["answers"], counts["unreachable"], counts["unreachable_questions"]) == (0, 0, 0)


def test_the_first_answer_that_a_window_holds_is_learnt_and_the_others_are_counted(tokenizer_of):
    batch, counts = encoded(
        tokenizer_of("plain_words", max_length=9), None, "three four five six", "nine", "one"
    )
    assert batch.column("labels").to_pylist() == [[0, 0], [0, 0], [5, 5]]
    assert (counts["answers"], counts["unreachable"], counts["unreachable_questions"]) == (4, 2, 0)


def test_a_question_none_of_whose_answers_can_be_given_is_counted(tokenizer_of):
    _, counts = encoded(tokenizer_of("plain_words", max_length=9), None, "three four five six")
    assert (counts["unreachable"], counts["unreachable_questions"]) == (2, 1)


def test_an_answer_longer_than_any_that_is_looked_for_is_learnt_but_unreachable(tokenizer_of):
    words = " ".join(["one"] * (MAX_ANSWER_TOKENS + 1))
    counts: dict[str, int] = {}
    batch = encoder(
        tokenizer_of("plain_words", max_length=64),
        TokenizeSettings(stride=8),
        labels=[],
        objective="spans",
        given=(),
    ).encode(
        {"id": ["a"], "question": ["who"], "context": [words], "starts": [[0]], "ends": [[len(words)]]},
        counts,
    )
    assert batch.column("labels").to_pylist() == [[2, 2 + MAX_ANSWER_TOKENS]]
    assert (counts["unreachable"], counts["unreachable_questions"]) == (1, 1)


def test_counts_add_up_over_batches(tokenizer_of):
    tokenizer = tokenizer_of("plain_words", max_length=9)
    made = encoder(tokenizer, TokenizeSettings(stride=2), labels=[], objective="spans", given=())
    counts: dict[str, int] = {}
    rows = {"id": ["a", "b"], "question": ["who", "what"], "context": ["one two", "three"]}
    rows |= {"starts": [[0], []], "ends": [[3], []]}
    made.encode(rows, counts)
    made.encode(rows, counts)
    assert counts["answers"] == 2


@pytest.mark.parametrize("kind_name", ["word_piece", "byte_level"])
def test_token_types_only_where_the_model_reads_them(tokenizer_of, kind_name):
    made = encoder(tokenizer_of(kind_name), TokenizeSettings(), labels=[], objective="spans", given=())
    assert ("token_type_ids" in made.schema.names) == (kind_name == "word_piece")
    batch = made.encode(
        {"id": ["a"], "question": ["who"], "context": ["the name"], "starts": [[4]], "ends": [[8]]}, {}
    )
    assert batch.schema == made.schema
    if kind_name == "word_piece":
        types = batch.column("token_type_ids").to_pylist()[0]
        assert len(types) == len(batch.column("input_ids").to_pylist()[0])
        assert types == sorted(types)
        assert set(types) == {0, 1}
