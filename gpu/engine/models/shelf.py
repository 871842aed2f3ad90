"""The base that was used last, kept warm."""

from __future__ import annotations

import torch

from gpu.engine.models.base import Base
from gpu.engine.models.loading import Use, load


class Shelf:
    """Keeps the base that was used last. A second one would not fit on the cards this is made for."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._key: tuple[str, Use] | None = None
        self._base: Base | None = None

    def has(self, name: str, use: Use) -> bool:
        return self._key == self._key_of(name, use)

    def take(self, name: str, use: Use) -> Base:
        """The base, loaded if need be. Raises Failure `missing_file` or `bad_weights`."""
        if not self.has(name, use):
            self.clear()  # two would not fit
            self._base = load(name, self.device, use)
            self._key = self._key_of(name, use)
        assert self._base is not None
        return self._base

    def clear(self) -> None:
        self._base, self._key = None, None
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def _key_of(self, name: str, use: Use) -> tuple[str, Use]:
        return name, ("pictures" if self.device == "cpu" else use)  # one precision serves both on a CPU
