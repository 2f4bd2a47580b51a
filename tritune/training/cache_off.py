"""A decoder's memory of keys and values, which serves writing token by token, switched off for training."""

from typing import Any


class CacheOff:
    """A model that keeps no keys and values, until `remove`. Its answers are the same."""

    def __init__(self, model: Any) -> None:
        """Switch it off.

        Args:
            model: of transformers.
        """
        self._configs = {id(each): each for each in (model.config, model.config.get_text_config())}.values()
        self._used = [getattr(each, "use_cache", None) for each in self._configs]
        for each in self._configs:
            each.use_cache = False

    def remove(self) -> None:
        """Make the model as it was."""
        for each, used in zip(self._configs, self._used, strict=True):
            each.use_cache = used
