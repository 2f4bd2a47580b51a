import pytest
import torch

from tritune.settings.train import ComputeSettings, TrainSettings
from tritune.training.memory import is_out_of_memory, smaller


def test_the_setting_that_keeps_the_result_comes_first_then_those_that_change_it():
    assert smaller(TrainSettings(batch_size=32), ComputeSettings()) == (
        "set compute.recompute_activations: true (the same result in more time; what was begun goes on); or "
        "set train.batch_size below 32, set tokenize.max_length lower, or freeze more layers (kind: partial)"
    )


def test_several_processes_are_advised_to_share_the_weights():
    several = ComputeSettings(processes=2, recompute_activations=True)
    assert smaller(TrainSettings(batch_size=32), several).startswith(
        "set compute.shard: true, set train.batch_size below 32, "
    )
    assert "shard" not in smaller(TrainSettings(), several.model_copy(update={"shard": True}))


def test_what_is_set_already_is_not_advised():
    assert smaller(TrainSettings(batch_size=1), ComputeSettings(recompute_activations=True)) == (
        "set tokenize.max_length lower, freeze more layers (kind: partial), or take a smaller base model"
    )


def test_memory_that_ran_out_is_known_by_what_is_raised():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)
