"""What a dialogue model's card says of it."""

from collections.abc import Mapping
from typing import Any

from tritune.task.contract import CardText


def card_text(comparison: Mapping[str, Any]) -> CardText:
    """Return the words for the model that the comparison chose."""
    reads_first = comparison["objective"] == "sequence_to_sequence"
    return CardText(
        tag="text2text-generation" if reads_first else "text-generation",
        title="Dialogue model",
        does="writes the assistant's next turn of a dialogue.",
        limits="It answers as the assistant of its training dialogues would, whether or not that is true. "
        "Perplexity is over the assistant's tokens, the one that ends each turn among them; ROUGE-L, chrF, "
        "BLEU and distinct-n are of replies to a sample of turns, the likeliest token each time: they tell "
        "how like the real replies these are, not whether they are good.",
        command="tritune chat --model FOLDER",
        example=_ENCODER_DECODER if reads_first else _DECODER,
    )


_DECODER = (
    "from transformers import pipeline",
    "",
    'write = pipeline("text-generation", model="FOLDER")',
    'write([{"role": "user", "content": "Hello"}], do_sample=False)[0]["generated_text"][-1]["content"]',
)

_ENCODER_DECODER = (
    "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer",
    "",
    'model = AutoModelForSeq2SeqLM.from_pretrained("FOLDER")',
    'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
    'read = tokenizer("user: Hello\\nassistant:", return_tensors="pt")',
    "tokenizer.decode(model.generate(**read, do_sample=False)[0], skip_special_tokens=True)",
)
