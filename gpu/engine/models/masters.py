"""A base's weights as they were read, in host memory, where any precision and any mix of styles starts from again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

BLOCK = 256 * 2**20  # bytes; pinned memory is handed out in powers of two, so single tensors would waste a fifth of it
ALIGNED = 512


class Masters(Mapping[str, Tensor]):
    """Weights by the name of their part and their own, such as `unet.conv_in.weight`. Nobody writes to them.

    They are moved into a few large blocks, pinned where a GPU reads them, and the modules rest on them from then on.
    """

    def __init__(self, parts: Mapping[str, nn.Module], *, pinned: bool) -> None:
        self._pinned = pinned
        self._block, self._used = torch.empty(0, dtype=torch.uint8), 0
        self._blocks: set[int] = set()
        self._weights: dict[str, Tensor] = {}
        for part, module in parts.items():
            for name, parameter in module.named_parameters():
                parameter.data = self._weights[f"{part}.{name}"] = self._placed(parameter.data)

    def __getitem__(self, name: str) -> Tensor:
        return self._weights[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)

    @property
    def bytes(self) -> int:
        return sum(weight.nbytes for weight in self._weights.values())

    def of(self, part: str) -> dict[str, Tensor]:
        """The weights of one part, by their own names."""
        start = f"{part}."
        return {name.removeprefix(start): weight for name, weight in self._weights.items() if name.startswith(start)}

    def carry(self, part: str, module: nn.Module) -> None:
        """Lets a module rest on these weights; what it had before is dropped."""
        for name, parameter in module.named_parameters():
            parameter.data = self._weights[f"{part}.{name}"]

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor is one of these, and not a copy."""
        return tensor.untyped_storage().data_ptr() in self._blocks

    def _placed(self, tensor: Tensor) -> Tensor:
        size = -(-tensor.nbytes // ALIGNED) * ALIGNED
        if self._used + size > self._block.nbytes:
            self._block = torch.empty(max(BLOCK, size), dtype=torch.uint8, pin_memory=self._pinned)
            self._used = 0
            self._blocks.add(self._block.untyped_storage().data_ptr())
        room = self._block[self._used : self._used + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
        self._used += size
        return room.copy_(tensor)
