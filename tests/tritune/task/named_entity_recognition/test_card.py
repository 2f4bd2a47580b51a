from tritune.task.named_entity_recognition.card import card_text


def test_the_card_names_the_types_and_not_the_tags() -> None:
    text = card_text({"labels": ["O", "B-creative-work", "B-x", "I-creative-work", "I-x"]})
    assert text.title == "Named-entity recogniser with 2 types"
    assert text.closing == ("## Types", "", "`creative-work`, `x`", "")
    assert text.tag == "token-classification"
    compile("\n".join(text.example), "card", "exec")


def test_many_types_are_cut_short() -> None:
    text = card_text({"labels": ["O", *(f"B-{number:03}" for number in range(202))]})
    assert text.closing[2].endswith("`199` and 2 more in `config.json`")
    assert card_text({"labels": ["O", "B-x"]}).title == "Named-entity recogniser with one type"
