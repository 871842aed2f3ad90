"""The base that was used last, kept warm."""

from __future__ import annotations

from gpu.engine.memory import free
from gpu.engine.models.base import Base
from gpu.engine.models.loading import Use, dtype_for, load


class Shelf:
    """Keeps the base that was used last. A second one would not fit on the cards this is made for."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._key: tuple[str, Use] | None = None
        self._base: Base | None = None

    def has(self, name: str, use: Use) -> bool:
        return self._key == self._key_of(name, use) and self._base is not None and not self._base.spent

    def keeps(self, name: str) -> bool:
        """Whether this base is in memory for good: what the shelf then gives is the same object."""
        base = self._base
        return base is not None and base.masters is not None and base.facts.name == name

    def take(self, name: str, use: Use) -> Base:
        """The base, loaded if need be. Raises Failure `missing_file` or `bad_weights`.

        What is in memory already, for another use or at rest, is not read from the disk again. It must be bare then.
        """
        if not self.has(name, use):
            if self._base is not None and self.keeps(name):
                self._base.become(dtype_for(self.device, use))
            else:
                self._base = None  # two would not fit
                free()
                self._base = load(name, self.device, use)
            self._key = self._key_of(name, use)
        assert self._base is not None
        return self._base

    def clear(self) -> None:
        """Frees the device. A bare base that has its masters rests on them, and is soon back."""
        self._key = None
        if self._base is not None and self._base.masters is not None:
            self._base.leave()
        else:
            self._base = None
        free()

    def _key_of(self, name: str, use: Use) -> tuple[str, Use]:
        return name, ("pictures" if self.device == "cpu" else use)  # one precision serves both on a CPU
