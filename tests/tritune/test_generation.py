"""Greedy, batched, streamed: the same text whichever way it is asked for."""

import math
import threading

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, GPT2Config, LlamaConfig, T5Config

from tests.tritune.tiny_tokenizers import byte_level
from tritune.generation import stream, write

TOKENIZER = byte_level()
WORDS = len(TOKENIZER)
PROMPTS = [[9, 10, 11, 12, 13, 14], [20], [30, 31, 32]]


def llama(**changes):
    torch.manual_seed(1)
    small = {"vocab_size": WORDS, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    config = LlamaConfig(
        **small, num_attention_heads=2, num_key_value_heads=2, initializer_range=1.0, **changes
    )
    return AutoModelForCausalLM.from_config(config).eval()


def gpt2(**changes):
    torch.manual_seed(1)
    config = GPT2Config(vocab_size=WORDS, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5, **changes)
    return AutoModelForCausalLM.from_config(config).eval()


def t5():
    torch.manual_seed(1)
    small = {"vocab_size": WORDS, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
    return AutoModelForSeq2SeqLM.from_config(T5Config(**small, decoder_start_token_id=0)).eval()


MODELS = {"llama": llama, "gpt2": gpt2, "t5": t5}
each = pytest.mark.parametrize("kind", MODELS)


def ask(model, prompts=PROMPTS, *, stop_ids=(), max_new_tokens=12, **more):
    given = {"stop_ids": stop_ids, "pad_token_id": 0, "max_new_tokens": max_new_tokens}
    return write(model, TOKENIZER, prompts, **given, **more)


def by_hand(model, prompt, *, steps):
    """Ask for the likeliest next token over and over, without a cache and without padding."""
    written, logs = [], []
    with torch.no_grad():
        for _ in range(steps):
            if model.config.is_encoder_decoder:
                given = {
                    "input_ids": torch.tensor([prompt]),
                    "decoder_input_ids": torch.tensor([[0, *written]]),
                }
            else:
                given = {"input_ids": torch.tensor([[*prompt, *written]])}
            last = model(**given).logits[0, -1].log_softmax(-1)
            written.append(int(last.argmax()))
            logs.append(float(last.max()))
    return written, logs


@each
def test_it_writes_the_likeliest_token_each_time_whatever_lies_beside_it_in_the_batch(kind):
    model = MODELS[kind]()
    for prompt, answer in zip(PROMPTS, ask(model), strict=True):
        ids, logs = by_hand(model, prompt, steps=12)
        assert list(answer.ids) == ids
        assert answer.mean_log_probability == pytest.approx(math.fsum(logs) / 12, abs=1e-4)
        assert not answer.ended
    assert [one.ids for one in ask(model, batch_size=1)] == [one.ids for one in ask(model, batch_size=3)]


@each
def test_any_of_several_tokens_ends_an_answer_and_is_not_part_of_it(kind):
    model = MODELS[kind]()
    ids, logs = by_hand(model, PROMPTS[0], steps=12)
    unused = next(token for token in range(WORDS) if token not in ids)
    stop = ids[4]
    end = ids.index(stop)
    [answer] = ask(model, PROMPTS[:1], stop_ids={unused, stop})
    assert list(answer.ids) == ids[:end]
    assert answer.ended
    assert answer.mean_log_probability == pytest.approx(math.fsum(logs[: end + 1]) / (end + 1), abs=1e-4)


def test_an_answer_that_ends_at_once_is_empty():
    model = llama()
    first = by_hand(model, PROMPTS[0], steps=1)[0][0]
    [answer] = ask(model, PROMPTS[:1], stop_ids=[first])
    assert (answer.ids, answer.text, answer.ended) == ((), "", True)


def test_a_models_own_habits_are_off_and_stay_its_own():
    model = gpt2()
    plain = ask(model)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.do_sample = True
    model.generation_config.forced_eos_token_id = 7
    assert ask(model) == plain
    assert model.generation_config.repetition_penalty == 5.0


def test_it_writes_no_further_than_the_model_has_places_for():
    [answer] = ask(gpt2(n_positions=10), PROMPTS[:1])
    assert len(answer.ids) == 4


def test_no_prompt_gives_no_answer():
    assert ask(llama(), []) == []


@each
def test_the_pieces_of_a_stream_are_the_text(kind):
    model = MODELS[kind]()
    [answer] = ask(model, PROMPTS[:1], max_new_tokens=30)
    pieces = list(stream(model, TOKENIZER, PROMPTS[0], stop_ids=[], pad_token_id=0, max_new_tokens=30))
    assert "".join(pieces) == answer.text
    assert all(pieces)


class Reciting(torch.nn.Module):
    """Stands in for a model: `generate` gives these tokens whatever the prompt."""

    def __init__(self, ids):
        super().__init__()
        self.ids, self.device = ids, torch.device("cpu")
        self.config = type("", (), {"is_encoder_decoder": False, "get_text_config": lambda self, **_: self})()
        self.generation_config = None

    def generate(self, input_ids, attention_mask, generation_config, streamer, stopping_criteria):  # noqa: ARG002
        streamer.put(input_ids)
        for token in self.ids:
            if bool(stopping_criteria[0](input_ids, None).all()):
                break
            if token == "fail":
                raise RuntimeError("out of memory")
            streamer.put(torch.tensor([token]))


def recite(ids, tokenizer=TOKENIZER):
    return stream(Reciting(ids), tokenizer, [5], stop_ids=[1], pad_token_id=0, max_new_tokens=99)


@pytest.mark.parametrize(
    "text", ["héllo 👩‍👩‍👧 wörld", "你好，世界", "שלום עולם", "a\tb\n\n  c ", "e\u0301 \ufffd x"]
)
def test_a_piece_never_ends_inside_a_character(text):
    ids = TOKENIZER(text)["input_ids"]
    assert len(ids) > 5
    pieces = list(recite([*ids, 1, 50]))
    assert "".join(pieces) == text
    assert not any(piece.endswith("\ufffd") for piece in pieces[:-1])
    assert len(pieces) > 1


def test_words_that_a_later_token_would_change_are_held_back():
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[SEP]", "i", "do", "n", "'", "t", "know", "."]
    backend = Tokenizer(
        models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[PAD]")
    )
    backend.decoder = decoders.WordPiece(cleanup=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", eos_token="[SEP]")
    pieces = list(recite([2, 3, 4, 5, 6, 7, 8, 1], tokenizer))
    assert "".join(pieces) == tokenizer.decode([2, 3, 4, 5, 6, 7, 8], clean_up_tokenization_spaces=False)
    assert len(pieces) > 1


def test_what_goes_wrong_in_the_models_thread_is_raised_here():
    pieces = recite([*TOKENIZER("Hi")["input_ids"], "fail"])
    assert next(pieces) == "H"
    with pytest.raises(RuntimeError, match="out of memory"):
        list(pieces)


def test_closing_a_stream_ends_its_thread():
    before = threading.active_count()
    pieces = stream(llama(), TOKENIZER, PROMPTS[0], stop_ids=[], pad_token_id=0, max_new_tokens=4000)
    next(pieces)
    pieces.close()
    assert threading.active_count() == before
