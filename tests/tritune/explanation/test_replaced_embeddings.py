import pytest
import torch

from tritune.explanation.replaced_embeddings import embeddings_of, run_with

IDS = torch.tensor([[5, 6, 7, 8, 1]])
SETTINGS = {"gpt2": {"pad_token_id": 0}, "llama": {"pad_token_id": 0}, "t5": {"eos_token_id": 1}}
SETTINGS |= {"bart": {"eos_token_id": 1}}


@pytest.fixture(params=["bert", "deberta-v2", "gpt2", "llama", "t5", "bart", "t5-lm", "pair"])
def model_and_inputs(request, tiny_model):
    model = tiny_model(request.param, **SETTINGS.get(request.param, {})).eval()
    inputs = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    if request.param in ("t5-lm", "pair"):
        # As long as the text, and its beginning: still the answer, not the text read again.
        inputs["decoder_input_ids"] = torch.tensor([[0, 5, 6, 7, 8]])
    return model, inputs


@torch.no_grad()
def test_a_model_with_the_vectors_of_other_tokens_gives_what_it_gives_for_these(model_and_inputs):
    model, inputs = model_and_inputs
    others = IDS.clone()
    others[0, 1], others[0, 3] = 9, 12
    found = run_with(model, inputs, embeddings_of(model, torch.cat([IDS, others])))
    for row, ids in enumerate((IDS, others)):
        expected = model(**{**inputs, "input_ids": ids}).logits[0]
        torch.testing.assert_close(found.logits[row], expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found.logits[0], found.logits[1])


@torch.no_grad()
def test_the_model_is_afterwards_as_it_was(model_and_inputs):
    model, inputs = model_and_inputs
    before = model(**inputs).logits
    run_with(model, inputs, torch.zeros_like(embeddings_of(model, IDS)))
    assert torch.equal(model(**inputs).logits, before)
