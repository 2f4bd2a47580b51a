import pytest
import transformers

from tritune.training.cache_off import CacheOff


@pytest.mark.parametrize("family", ["Bert", "DistilBert", "ModernBert", "Llama", "T5"])
@pytest.mark.parametrize("changes", [{}, {"use_cache": False}])
def test_removed_it_leaves_the_configuration_as_it_was(family, changes):
    config = getattr(transformers, f"{family}Config")(**changes)
    before = config.to_dict()

    class Model:
        pass

    Model.config = config
    cache = CacheOff(Model)
    assert not getattr(config, "use_cache", False)
    cache.remove()
    assert config.to_dict() == before
