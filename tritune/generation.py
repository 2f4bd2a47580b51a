"""What a model writes after a prompt: the likeliest token each time, until it ends or has written enough.

Built on transformers' `generate`, with nothing of a model's own habits (sampling, beams, penalties against
repetition): the same prompt gives the same text.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria
from transformers.generation.streamers import BaseStreamer

REPLACEMENT = "\ufffd"
"""What a tokenizer gives for bytes that are no whole character yet."""


@dataclass(frozen=True)
class Written:
    """One answer."""

    ids: tuple[int, ...]
    """Its tokens, without the one that ended it."""

    text: str
    """Without special tokens; white space as written."""

    mean_log_probability: float
    """Of the tokens that were written, the ending one among them, in nats: 0 or less."""

    ended: bool
    """Whether the model ended it, rather than being stopped after `max_new_tokens`."""


def write(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    stop_ids: Collection[int],
    pad_token_id: int,
    max_new_tokens: int,
    batch_size: int = 16,
) -> list[Written]:
    """Return what the model writes after each prompt.

    Args:
        model: a decoder or an encoder-decoder of transformers, in evaluation mode; its device is used.
        tokenizer: of transformers.
        prompts: token ids, special tokens in, each with one or more. An encoder-decoder's encoder reads them.
        stop_ids: tokens that end an answer. May be empty.
        pad_token_id: fills up shorter prompts; the mask hides it from the model.
        max_new_tokens: at most; fewer where the model has no places for more.
        batch_size: prompts at a time, of similar length. Changes probabilities by rounding only.
    """
    order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
    found: dict[int, Written] = {}
    for start in range(0, len(order), batch_size):
        some = order[start : start + batch_size]
        inputs = _padded([prompts[i] for i in some], pad_token_id, left=not _reads_first(model), model=model)
        recorder = _Recorder()
        sequences = _generate(
            model,
            inputs,
            stop_ids=stop_ids,
            pad_token_id=pad_token_id,
            max_new_tokens=max_new_tokens,
            logits_processor=[recorder],
        )
        read = 1 if _reads_first(model) else inputs["input_ids"].shape[1]
        logs = torch.stack(recorder.logs, dim=1).tolist()
        for index, ids, values in zip(some, sequences[:, read:].tolist(), logs, strict=True):
            end = next((place for place, token in enumerate(ids) if token in stop_ids), None)
            values = values[: len(ids) if end is None else end + 1]
            answer, mean = ids[:end], sum(values) / len(values)
            found[index] = Written(tuple(answer), _decoded(tokenizer, answer), mean, end is not None)
    return [found[index] for index in range(len(prompts))]


def stream(
    model: Any,
    tokenizer: Any,
    prompt: Sequence[int],
    *,
    stop_ids: Collection[int],
    pad_token_id: int,
    max_new_tokens: int,
) -> Iterator[str]:
    """Yield the text of `write` piece by piece, as it comes: whole characters, never an empty piece.

    The model runs in a thread of its own, which ends when this generator is closed.
    """
    queue: SimpleQueue[int | BaseException | None] = SimpleQueue()
    stopped = threading.Event()
    inputs = _padded([prompt], pad_token_id, left=True, model=model)

    def run() -> None:
        try:
            _generate(
                model,
                inputs,
                stop_ids=stop_ids,
                pad_token_id=pad_token_id,
                max_new_tokens=max_new_tokens,
                streamer=_Streamer(queue.put),
                stopping_criteria=[_Stopping(stopped)],
            )
            queue.put(None)
        except BaseException as error:
            queue.put(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ids: list[int] = []
    shown = ""
    try:
        while isinstance(item := queue.get(), int):
            if item in stop_ids:
                break
            ids.append(item)
            text = _decoded(tokenizer, ids)
            sure = text if _is_sure(tokenizer) else text[: text.rfind(" ") + 1].rstrip(" ")
            sure = sure.rstrip(REPLACEMENT)
            if sure.startswith(shown) and len(sure) > len(shown):
                yield sure[len(shown) :]
                shown = sure
        if isinstance(item, BaseException):
            raise item
        if rest := _decoded(tokenizer, ids)[len(shown) :]:
            yield rest
    finally:
        stopped.set()
        thread.join()


def _generate(
    model: Any,
    inputs: dict[str, torch.Tensor],
    *,
    stop_ids: Collection[int],
    pad_token_id: int,
    max_new_tokens: int,
    **hooks: Any,
) -> torch.Tensor:
    config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=_room(model, inputs["input_ids"].shape[1], max_new_tokens),
        eos_token_id=sorted(stop_ids) or None,
        pad_token_id=pad_token_id,
        bos_token_id=model.config.bos_token_id if hasattr(model.config, "bos_token_id") else None,
        decoder_start_token_id=_start_token(model),
    )
    with torch.inference_mode(), _own_habits_off(model, config):
        sequences: torch.Tensor = model.generate(**inputs, generation_config=config, **hooks)
    return sequences


@contextmanager
def _own_habits_off(model: Any, config: GenerationConfig) -> Iterator[None]:
    """Put `config` in the place of the model's own, which `generate` would fill gaps from."""
    own = model.generation_config
    model.generation_config = config
    try:
        yield
    finally:
        model.generation_config = own


def _reads_first(model: Any) -> bool:
    return bool(model.config.is_encoder_decoder)


def _start_token(model: Any) -> int | None:
    if not _reads_first(model):
        return None
    own: int | None = getattr(model.config, "decoder_start_token_id", None)
    generation: int | None = model.generation_config.decoder_start_token_id
    return generation if own is None else own


def _room(model: Any, read: int, wanted: int) -> int:
    """Return how many tokens can be written, 1 or more, after a decoder has read so many."""
    decoder = model.config.get_text_config(decoder=True)
    places = getattr(decoder, "max_position_embeddings", None)
    if not isinstance(places, int) or places <= 0:
        return wanted
    return max(1, min(wanted, places - (1 if _reads_first(model) else read)))


def _padded(
    prompts: Sequence[Sequence[int]], pad_token_id: int, *, left: bool, model: Any
) -> dict[str, torch.Tensor]:
    """Return the prompts as a batch; a decoder writes on at their end, so its padding is at the start."""
    longest = max(map(len, prompts))
    rows, mask = [], []
    for prompt in prompts:
        gap = longest - len(prompt)
        rows.append([*[pad_token_id] * gap, *prompt] if left else [*prompt, *[pad_token_id] * gap])
        mask.append([*[0] * gap, *[1] * len(prompt)] if left else [*[1] * len(prompt), *[0] * gap])
    return {
        "input_ids": torch.tensor(rows, device=model.device),
        "attention_mask": torch.tensor(mask, device=model.device),
    }


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text


def _is_sure(tokenizer: Any) -> bool:
    """Tell whether a further token leaves the text before it as it is; WordPiece makes `n't` of `n ' t`."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return type(getattr(backend, "decoder", None)).__name__ != "WordPiece"


class _Recorder(LogitsProcessor):
    """Keeps the log probability of the likeliest token of each step."""

    def __init__(self) -> None:
        self.logs: list[torch.Tensor] = []
        """One per step, [rows]."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        scores = scores.float()
        self.logs.append(scores.max(dim=-1).values - scores.logsumexp(dim=-1))
        return scores


class _Streamer(BaseStreamer):
    """Hands on every new token."""

    def __init__(self, put: Callable[[int], None]) -> None:
        self._put = put
        self._prompt_came = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_came:
            for token in value.flatten().tolist():
                self._put(token)
        self._prompt_came = True

    def end(self) -> None:
        """Nothing is held back."""


class _Stopping(StoppingCriteria):
    """Stops when nobody listens any longer."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:  # noqa: ARG002
        return torch.full((len(input_ids),), self._stopped.is_set(), device=input_ids.device)
