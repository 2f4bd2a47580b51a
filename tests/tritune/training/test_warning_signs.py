from tritune.task.contract import Guess
from tritune.training.warning_signs import training_warnings

GUESS = Guess(
    loss=0.5623,
    loss_words="guessing by how frequent each class is",
    metric="accuracy",
    score=0.75,
    score_words="always answering the most frequent class",
)


def warnings(*epochs: tuple[float, float], guess: Guess | None = GUESS) -> list[str]:
    history = [{"train_loss": loss, "validation_accuracy": accuracy} for loss, accuracy in epochs]
    return training_warnings(history, guess=guess)


def test_a_model_that_learns_gives_no_warning():
    assert warnings((0.5, 0.8), (0.3, 0.9)) == []


def test_a_loss_that_stays_at_guessing_is_named():
    (message,) = warnings((0.6, 0.8), (0.56, 0.8))
    assert message == (
        "the training loss ended at 0.560, no better than guessing by how frequent each class is (0.562): "
        "try a learning rate 10 times higher or lower, more epochs, and look whether the labels fit the texts"
    )


def test_a_loss_that_does_not_move_is_named():
    (message,) = warnings((0.400, 0.8), (0.399, 0.8))
    assert message.startswith("the training loss did not fall (0.400 to 0.399): ")


def test_a_score_at_the_majority_class_is_named():
    (message,) = warnings((0.5, 0.75), (0.4, 0.7))
    assert message.startswith(
        "the best validation accuracy (0.750) is no better than always answering the most "
        "frequent class (0.750)"
    )


def test_one_epoch_can_be_judged_too():
    assert len(warnings((0.7, 0.75))) == 2


def test_where_nobody_can_tell_what_guessing_gives_only_the_fall_of_the_loss_is_judged():
    assert warnings((3.0, 0.1), (2.0, 0.1), guess=None) == []
    assert len(warnings((3.0, 0.1), (3.0, 0.1), guess=None)) == 1
