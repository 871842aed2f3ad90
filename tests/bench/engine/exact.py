"""What must be right whatever it costs: merging, switching, guidance in two halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import psutil
import torch._dynamo.utils

from gpu.engine.contract import StyleWeight
from gpu.engine.lora import Mixer
from gpu.engine.memory.compiling import compile_blocks
from gpu.engine.models import load
from gpu.engine.pipelines.painting import denoise
from tests.bench.engine.rows import Row, Target
from tests.bench.engine.setting import Setting


def rows(setting: Setting) -> Iterator[Row]:
    yield merge_error(setting)
    yield from switch_drift(setting)
    yield recompilations(setting)
    yield sequential_guidance(setting)


def merge_error(setting: Setting) -> Row:
    """One style, then two of different ranks and weights, merged by us and computed beside the layers by PEFT."""
    first, second = setting.styles
    worst = max(
        _error(setting, mix)
        for mix in ([first], [first.model_copy(update={"weight": 0.7}), second.model_copy(update={"weight": -0.4})])
    )
    return Row(
        name="merge_error",
        say="a UNet pass with merged styles against unmerged PEFT, relative error",
        unit="",
        target=Target("at most", 1e-3, of="ours"),
        ours=float(f"{worst:.3g}"),
        baseline=0.0,
        runs=2,
    )


def _error(setting: Setting, mix: Sequence[StyleWeight]) -> float:
    inputs = setting.unet_inputs()
    setting.mixer.mix(mix)
    ours = setting.predict(setting.base.unet, inputs).float()
    setting.mixer.mix([])
    pipeline = setting.pipeline().to(setting.device)
    for number, style in enumerate(mix):
        pipeline.load_lora_weights(style.path, adapter_name=f"s{number}")
    pipeline.set_adapters([f"s{number}" for number in range(len(mix))], [style.weight for style in mix])
    theirs = setting.predict(pipeline.unet, inputs).float()
    return float((ours - theirs).norm() / theirs.norm())


def switch_drift(setting: Setting) -> Iterator[Row]:
    """After many switches the weights are those of a fresh load with the same mix, and nothing has piled up."""
    process = psutil.Process()
    first, second = setting.styles
    setting.mixer.mix([first])
    before = 0
    for number in range(setting.switches):
        setting.mixer.mix([(first, second)[number % 2].model_copy(update={"weight": number / setting.switches})])
        if number == setting.switches // 5:  # by then every buffer it will ever need is there
            before = process.memory_info().rss
    setting.mixer.mix(setting.styles)
    grown = process.memory_info().rss - before
    fresh = load(str(setting.folder), setting.device)
    Mixer(fresh).mix(setting.styles)
    pairs = zip(setting.base.unet.parameters(), fresh.unet.parameters(), strict=True)
    drift = max(float((ours.detach() - theirs.detach()).abs().max()) for ours, theirs in pairs)
    setting.mixer.mix([])
    yield Row(
        name="switch_drift",
        say=f"largest difference of a weight after {setting.switches} switches, to a fresh load with the same styles",
        unit="",
        target=Target("at most", 0, of="ours"),
        ours=drift,
        baseline=0.0,
        runs=setting.switches,
    )
    yield Row(
        name="switch_growth",
        say=f"memory of the process after {setting.switches} switches, beyond that after {setting.switches // 5}",
        unit="MiB",
        target=Target("at most", 8, of="ours"),
        ours=round(max(0, grown) / 2**20, 2),
        baseline=0.0,
        runs=setting.switches,
    )


def recompilations(setting: Setting) -> Row:
    """What is compiled anew in many switches, each followed by a pass of the compiled UNet.

    Whether something is compiled again is decided before the compiler is reached: on a CPU, where there may be none,
    the traced graphs run as they are.
    """
    first, second = setting.styles
    unet, inputs = setting.base.unet, setting.unet_inputs()
    compile_blocks(unet, wanted=True, backend="inductor" if setting.on_gpu else "eager")

    def switch(number: int) -> None:
        some, other = (first, second)[number % 2], (second, first)[number % 2]
        both = [some.model_copy(update={"weight": 1 - number / setting.switches}), other]
        setting.mixer.mix(both[: 1 + number % 3 // 2])  # every third time two of them
        setting.predict(unet, inputs)

    try:
        setting.mixer.mix([first])
        setting.predict(unet, inputs)  # compiles, once
        again = compiled_by(lambda: [switch(number) for number in range(setting.switches)])
    finally:
        compile_blocks(unet, wanted=False)
        setting.mixer.mix([])
    return Row(
        name="recompilations",
        say=f"graphs compiled anew in {setting.switches} switches of styles, each followed by a pass of the UNet",
        unit="",
        target=Target("at most", 0, of="ours"),
        ours=again,
        baseline=0.0,
        runs=setting.switches,
    )


def compiled_by(work: Callable[[], object]) -> int:
    """How many graphs are compiled while `work` is done."""
    before = _compiled()
    work()
    return _compiled() - before


def _compiled() -> int:
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def sequential_guidance(setting: Setting) -> Row:
    """The two halves of guidance one after the other, which halves the activations, and in one batch."""
    base = setting.base
    own = base.plan
    base.plan = replace(own, sequential_guidance=False)
    together = denoise(base, setting.recipe)
    base.plan = replace(own, sequential_guidance=True)
    apart = denoise(base, setting.recipe)
    base.plan = own
    return Row(
        name="sequential_guidance_error",
        say="a picture, the two halves of guidance computed one after the other and in one batch, relative error",
        unit="",
        target=Target("at most", 1e-2 if setting.on_gpu else 1e-4, of="ours"),
        ours=float(f"{float((together - apart).norm() / together.norm()):.3g}"),
        baseline=0.0,
    )
