"""What the model card of a model for question answering says of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tritune.task.contract import CardText

EXAMPLES: Mapping[str, Sequence[str]] = {
    "spans": (
        "import torch",
        "from transformers import AutoModelForQuestionAnswering, AutoTokenizer",
        "",
        'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
        'model = AutoModelForQuestionAnswering.from_pretrained("FOLDER")',
        'question, context = "Who wrote it?", "It was written by Ada."',
        'given = tokenizer(question, context, return_tensors="pt", truncation="only_second")',
        "with torch.inference_mode():",
        "    output = model(**given)",
        "first, last = output.start_logits.argmax().item(), output.end_logits.argmax().item()",
        '# One window only, and without a threshold for "no answer".',
        "tokenizer.decode(given.input_ids[0, first : last + 1])",
    ),
    "causal_lm": (
        "from transformers import pipeline",
        "",
        'write = pipeline("text-generation", model="FOLDER")',
        "# Where the tokenizer has a chat template, the prompt is a user's turn instead.",
        'prompt = "Context: It was written by Ada.\\nQuestion: Who wrote it?\\nAnswer:"',
        "write(prompt, return_full_text=False)",
    ),
    "sequence_to_sequence": (
        "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer",
        "",
        'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
        'model = AutoModelForSeq2SeqLM.from_pretrained("FOLDER")',
        'given = tokenizer("question: Who wrote it? context: It was written by Ada.", return_tensors="pt")',
        "tokenizer.decode(model.generate(**given)[0], skip_special_tokens=True)",
    ),
}


def card_text(comparison: Mapping[str, Any]) -> CardText:
    """Return the words for the model that the comparison chose."""
    spans = comparison["objective"] == "spans"
    how = (
        "points at the answer to a question in a text that is given with it, or says that there is none."
        if spans
        else "writes the answer to a question about a text that is given with it, or says that there is none."
    )
    never = (
        "It answers with words of the text only, whether they are true or not."
        if spans
        else "It can write what the text does not say."
    )
    threshold = comparison.get("decided", {}).get("no_answer_threshold")
    said = (
        "It was trained and tested on questions that all have an answer, and answers every question."
        if spans and threshold is None
        else "When it says that there is no answer was tuned on the validation split: see `decided.json`."
        if spans
        else "Where no part of the text holds an answer it says so."
    )
    return CardText(
        tag="question-answering",
        title="Question answering " + ("by pointing into a text" if spans else "in written words"),
        does=how,
        limits=f"{never} {said} Exact match and F1 follow the official SQuAD evaluation scripts, F1 counting "
        "shared words: neither tells whether an answer misleads.",
        command='echo \'{"question": "Who wrote it?", "context": "It was written by Ada."}\' | '
        "tritune predict --model FOLDER",
        example=EXAMPLES[comparison["objective"]],
    )
