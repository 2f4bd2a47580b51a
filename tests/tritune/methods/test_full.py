import pytest

from tritune.methods.full import rates
from tritune.plan.rate import Rate
from tritune.settings.method import FullSettings


@pytest.mark.parametrize("architecture", ["bert", "albert", "gpt2", "t5", "t5-lm"])
def test_every_tensor_learns_at_the_methods_own_rate(anatomy_of, architecture):
    anatomy = anatomy_of(architecture)
    assert rates(anatomy, FullSettings(kind="full"), new_tensors=(), key="method.full") == dict.fromkeys(
        anatomy.order, Rate()
    )
