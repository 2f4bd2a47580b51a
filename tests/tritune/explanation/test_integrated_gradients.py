import pytest
import torch

from tritune.explanation.asked import Asked
from tritune.explanation.integrated_gradients import LARGEST_ERROR, attribute
from tritune.explanation.replaced_embeddings import embeddings_of

IDS = torch.tensor([[2, 6, 7, 8, 3]])


def asked_of(score) -> Asked:
    inputs = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    return Asked({}, inputs, [], "a logit", score, score, [0])


def first_logit(output) -> torch.Tensor:
    return output.logits[:, 0]


def ends(model):
    vectors = embeddings_of(model, IDS)
    baseline = vectors.clone()
    baseline[:, 1:4] = embeddings_of(model, torch.tensor([[1]]))
    return vectors, baseline


@pytest.mark.parametrize("architecture", ["bert", "modernbert", "llama"])
def test_it_gives_what_captum_gives_for_the_embedding_layer(tiny_model, architecture):
    from captum.attr import LayerIntegratedGradients

    model = tiny_model(architecture, pad_token_id=0).eval()
    found = attribute(model, asked_of(first_logit), *ends(model), rows_at_once=5)
    reference = LayerIntegratedGradients(
        lambda ids: model(input_ids=ids).logits[:, 0], model.get_input_embeddings()
    )
    baseline = torch.tensor([[2, 1, 1, 1, 3]])
    expected = reference.attribute(IDS, baselines=baseline, n_steps=found.steps)[0].sum(dim=-1)
    torch.testing.assert_close(found.tokens.float(), expected.float(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_the_attributions_add_up_to_the_difference_of_the_scores(tiny_model, architecture):
    model = tiny_model(architecture, pad_token_id=0, initializer_range=0.5).eval()
    found = attribute(model, asked_of(first_logit), *ends(model), rows_at_once=16)
    difference = found.score - found.baseline_score
    assert found.complete
    assert abs(float(found.tokens.sum()) - difference) <= LARGEST_ERROR * abs(difference)
    assert found.score == pytest.approx(float(first_logit(model(input_ids=IDS)).detach()), abs=1e-5)
    assert found.tokens[[0, 4]].tolist() == [0, 0]


class Kinked:
    """A score with a step that few points on the way see: the more of them, the smaller the error."""

    def __init__(self, sharpness: float) -> None:
        self.sharpness = sharpness

    def __call__(self, output) -> torch.Tensor:
        return torch.sigmoid(self.sharpness * (output.logits[:, 0] - self.middle))


def test_steps_rise_until_the_error_is_small_and_it_is_said_where_it_never_is(tiny_model):
    model = tiny_model("bert").eval()
    vectors, baseline = ends(model)
    with torch.no_grad():
        found = attribute(model, asked_of(first_logit), vectors, baseline, rows_at_once=16)
    width = abs(found.score - found.baseline_score)
    results = []
    for sharpness in (1, 150, 1e6):
        score = Kinked(sharpness / width)
        score.middle = found.score * 0.37 + found.baseline_score * 0.63
        results.append(attribute(model, asked_of(score), vectors, baseline, rows_at_once=64))
    gentle, steep, step = results
    assert gentle.steps < steep.steps
    assert (gentle.complete, steep.complete) == (True, True)
    assert not step.complete
    assert step.steps == 512


def test_where_the_words_make_no_difference_nothing_is_complete(tiny_model):
    model = tiny_model("bert").eval()
    vectors, baseline = ends(model)
    found = attribute(
        model, asked_of(lambda output: output.logits[:, 0] * 0), vectors, baseline, rows_at_once=64
    )
    assert found.error == float("inf")
    assert not found.complete
