"""A decoder's memory of keys and values, which serves writing token by token, switched off for training."""

from typing import Any


class CacheOff:
    """A model that keeps no keys and values, until `remove`. Its answers are the same."""

    def __init__(self, model: Any) -> None:
        """Switch it off.

        Args:
            model: of transformers. A configuration without the switch stays without it.
        """
        configs = {id(each): each for each in (model.config, model.config.get_text_config())}.values()
        self._configs = [each for each in configs if getattr(each, "use_cache", False)]
        for each in self._configs:
            each.use_cache = False

    def remove(self) -> None:
        """Make the model as it was."""
        for each in self._configs:
            each.use_cache = True
