"""The doorbell of the GPU workers. It promises nothing: they look by themselves every ten seconds."""

from __future__ import annotations

from config.kit.doorbell import Doorbell

_bell = Doorbell("gpu.worker.work")


def ring() -> None:
    """Tell the workers that there is work."""
    _bell.ring()
