import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from tritune.metrics.generated import distinct, generated_metrics, rouge_l, words

SENTENCES = st.lists(
    st.sampled_from(["the", "cat", "sat", "on", "a", "Mat,", "it's", "2", "dogs!"]), max_size=12
).map(" ".join)


@given(SENTENCES, SENTENCES)
def test_rouge_l_is_rouge_score_s_on_english(written, reference):
    theirs = RougeScorer(["rougeL"], use_stemmer=False).score(reference, written)["rougeL"].fmeasure
    assert rouge_l(written, reference) == pytest.approx(theirs)


def test_rouge_l_by_hand():
    """The example of Lin 2004, section 3.1: `police the gunman` and `the gunman` of four words each."""
    assert rouge_l("police kill the gunman", "police killed the gunman") == pytest.approx(3 / 4)
    assert rouge_l("the gunman kill police", "police killed the gunman") == pytest.approx(2 / 4)
    assert rouge_l("", "a") == rouge_l("a", "") == rouge_l("...", "a") == 0


def test_words_of_any_script_count():
    assert words("Ça va, naïve_test? 你好 שלום 42") == ["ça", "va", "naïve", "test", "你", "好", "שלום", "42"]
    assert rouge_l("你好吗", "你好") == pytest.approx(4 / 5)


def test_distinct_counts_over_all_texts():
    assert distinct(["a b a", "a b"], 1) == 2 / 5
    assert distinct(["a b a", "a b"], 2) == 2 / 3  # a b, b a, a b
    assert distinct(["", "a"], 2) == 0


def test_the_same_texts_have_the_highest_scores():
    same = ["the cat sat on the mat", "a dog barked at the moon"]
    scores = generated_metrics(same, same)
    assert scores["rouge_l"] == pytest.approx(1)
    assert scores["bleu"] == pytest.approx(100)
    assert scores["chrf"] == pytest.approx(100)
    nothing = generated_metrics(["", ""], same)
    assert [nothing[name] for name in ("rouge_l", "bleu", "chrf", "distinct_1")] == [0, 0, 0, 0]
