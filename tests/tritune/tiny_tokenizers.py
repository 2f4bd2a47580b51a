"""Tokenizers built in code: byte-level BPE as GPT-2's and SmolLM2's, and one of whole words."""

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CORPUS = [
    "Hello there, how are you today?",
    "I'd like a latte with oat milk, please.",
    "Sure! Anything else?",
]


def byte_level(
    *,
    special: tuple[str, ...] = ("<pad>", "<eos>"),
    vocabulary: int = 320,
    corpus: Sequence[str] = CORPUS,
    **tokens: str,
):
    """Return a byte-level BPE, whose first ids are the special tokens; it can write any text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    named = {"pad_token": special[0], "eos_token": special[1], **tokens}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{k: v for k, v in named.items() if v})
