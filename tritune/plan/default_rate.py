"""A learning rate for those who set none: a starting point that works, not an optimum.

What it rests on:
- The wider a model, the smaller the step: published fine-tunings use 2e-5 to 5e-5 for BERT-base (width 768;
  Devlin et al. 2019, https://arxiv.org/abs/1810.04805, appendix A.3) and about half for large models (width
  1024); small distilled models of width 384 need several times more, or three epochs leave them half-way.
- The less of the body learns under a new head, the larger the step: the head has to be learnt from
  scratch, and there is less pretrained knowledge to disturb (a linear probe uses 10 to 100 times the rate).
  Measured on Banking77 with MiniLM-L6, 4 of 6 layers frozen: 0.784 accuracy at 1e-4, 0.927 at 1e-3.
- Layers that learn bear only so much: in a deep model the frozen share alone would ask for ten times the rate
  and more, at which the last pretrained layers forget before the head has learnt.
- A new head that answers for every token of a row (entities, spans): half. With MiniLM-L6 on WNUT-17, batches
  of 16, the validation entity F1 of one seed is 0.58 at 2e-4, 0.51 at 4e-4, 0.44 at 6e-4, and nothing is
  learnt at 8e-4.
- The fewer numbers of each layer learn, the larger their steps: ten times. Ben Zaken et al. 2022 (BitFit)
  search 1e-4 to 1e-3 for biases and 1e-5 to 5e-5 for all parameters; low-rank adapters of RoBERTa-base are
  trained at 4e-4 to 5e-4 (Hu et al. 2021, https://arxiv.org/abs/2106.09685, table 9). Not measured here.
- A head that learns alone before the body does (probe_then_full) gets the rate of a head on a frozen body,
  the body that of full fine-tuning; layers that begin later (gradual) get what they would get from the start.
  Not measured here.
- A head that is not new starts near its goal: half. So does the output layer of a language model, however
  much of its body is frozen: 5.9e-5 for SmolLM2-135M (width 576). That is cautious, in the range of full
  fine-tuning; where only the top layers learn, several times more may be worth a try.
"""

LOWEST, HIGHEST = 1e-5, 1e-2
WIDTH, RATE_AT_WIDTH = 768, 5e-5
WIDTH_EXPONENT = 3.0
FROZEN_EXPONENT = 1.25
MOST_FOR_FROZEN = 5.0
MOST_FOR_HEAD_ALONE = 100.0
MOST_FOR_WIDTH = 5e-4
MOST_FOR_DECAY = 3.0
FACTOR_FOR_FEW = 10.0


def default_rate(
    *,
    width: int,
    layers: int,
    layers_learning: int,
    new_head: bool,
    few_of_each: bool = False,
    every_token: bool = False,
) -> float:
    """Return a peak learning rate for AdamW, rounded to two digits, in [1e-5, 1e-2].

    Args:
        width: Size of the hidden states, at least 1.
        layers: Of the model, at least 1; one that runs several times counts as often.
        layers_learning: How many of them learn, 0 to `layers`. 0: a head on a frozen body.
        new_head: Whether the head is newly initialised.
        few_of_each: Whether only few numbers of each learning layer learn.
        every_token: Whether the head answers for every token of a row.
    """
    rate = min(MOST_FOR_WIDTH, RATE_AT_WIDTH * (WIDTH / width) ** WIDTH_EXPONENT)
    rate = max(LOWEST, rate)
    if new_head:
        # One is added for the head itself, so that a frozen body gives a finite rate.
        factor = ((layers + 1) / (layers_learning + 1)) ** FROZEN_EXPONENT
        rate *= min(factor, MOST_FOR_FROZEN if layers_learning else MOST_FOR_HEAD_ALONE)
    if every_token or not new_head:
        rate /= 2
    if few_of_each:
        rate *= FACTOR_FOR_FEW
    return float(f"{min(HIGHEST, max(LOWEST, rate)):.1e}")


def top_rate(rate: float, *, decay: float, layers: int) -> float:
    """Return the top layer's rate under layer-wise decay, so that the layers' geometric mean is `rate`.

    It is at most 3 times `rate`: in a deep model a strong decay would ask for more than the head bears.

    Args:
        rate: What every layer would get without decay.
        decay: Factor per layer going down, in (0, 1].
        layers: Of the model, at least 1.
    """
    return float(f"{rate * min(MOST_FOR_DECAY, decay ** (-(layers - 1) / 2)):.1e}")
