"""The tier *draft*: the UNet's deep features change little from step to step, so most steps reuse them.

After DeepCache (Ma et al. 2023, arXiv:2312.00858): every EVERY-th step goes through the whole UNet and keeps what
enters its last LEVELS up blocks; the steps between go through the outer blocks alone, with what was kept in between.
The numbers are measured (docs/gpu.md): with one level a picture is further from *fine* than one of fewer whole steps
that takes as long; with two it is nearer, and nearest for its time where a few steps are left out besides.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

EVERY = 3
LEVELS = 2
STEPS = 0.7  # of those that *fine* takes


class DeepReuse:
    """Calls a UNet. `slot` names a stream of calls that belong together: one side of guidance, or one tile.

    What is kept lies in host memory if it is to rest there: SDXL keeps 20 MB for each tile, and there may be a hundred.
    """

    def __init__(
        self, unet: UNet2DConditionModel, *, every: int = EVERY, levels: int = LEVELS, resting: bool = False
    ) -> None:
        self._unet = unet
        self._resting = resting
        self._every = every
        self._levels = min(levels, len(unet.up_blocks) - 1)
        self._kept: dict[Hashable, Tensor] = {}

    def __call__(
        self, slot: Hashable, step: int, sample: Tensor, moment: Tensor, tokens: Tensor, conditioning: dict[str, Tensor]
    ) -> Tensor:
        if step % self._every == 0 or slot not in self._kept:
            return self._whole(slot, sample, moment, tokens, conditioning)
        return self._shallow(self._kept[slot], sample, moment, tokens, conditioning)

    def _whole(
        self, slot: Hashable, sample: Tensor, moment: Tensor, tokens: Tensor, conditioning: dict[str, Tensor]
    ) -> Tensor:
        def keep(module: object, given: object, named: dict[str, Any]) -> None:
            deep = named["hidden_states"]
            self._kept[slot] = deep.cpu() if self._resting else deep

        hook = self._unet.up_blocks[-self._levels].register_forward_pre_hook(keep, with_kwargs=True)
        try:
            return self._unet(sample, moment, tokens, added_cond_kwargs=conditioning, return_dict=False)[0]
        finally:
            hook.remove()

    def _shallow(
        self, deep: Tensor, sample: Tensor, moment: Tensor, tokens: Tensor, conditioning: dict[str, Tensor]
    ) -> Tensor:
        """The UNet's own forward pass, as far as its outer blocks go (diffusers' UNet2DConditionModel.forward)."""
        unet = self._unet
        time = unet.time_embedding(unet.get_time_embed(sample=sample, timestep=moment), None)
        time = time + unet.get_aug_embed(emb=time, encoder_hidden_states=tokens, added_cond_kwargs=conditioning)
        hidden = unet.conv_in(sample)
        skipped = [hidden]
        for block in unet.down_blocks[: self._levels]:
            hidden, passed = block(hidden_states=hidden, temb=time, **_words(block, tokens))
            skipped += passed
        if unet.down_blocks[self._levels - 1].downsamplers is not None:
            skipped.pop()  # the way down, which is not gone
        hidden = deep.to(sample.device)
        last: list[Any] = list(unet.up_blocks[-self._levels :])
        for block in last:
            count = len(block.resnets)
            passed = tuple(skipped[-count:])
            del skipped[-count:]
            hidden = block(hidden_states=hidden, temb=time, res_hidden_states_tuple=passed, **_words(block, tokens))
        if unet.conv_norm_out is not None:
            hidden = unet.conv_act(unet.conv_norm_out(hidden))
        return unet.conv_out(hidden)


def _words(block: Any, tokens: Tensor) -> dict[str, Tensor]:
    return {"encoder_hidden_states": tokens} if getattr(block, "has_cross_attention", False) else {}
