"""What is fast: switching styles, steps with styles, prompts seen before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.bench.engine.rows import Row, Target, alternate, faster
from tests.bench.engine.setting import Setting


def rows(setting: Setting) -> Iterator[Row]:
    yield from switch_vs_reload(setting)
    yield step_vs_unfused_peft(setting)
    yield prompt_cache(setting)


def switch_vs_reload(setting: Setting) -> Iterator[Row]:
    """From one style to the next, both files warm: our merge, and the library's unload and load."""
    pipeline = setting.pipeline().to(setting.device)
    ours, theirs = itertools.cycle(setting.styles), itertools.cycle(setting.styles)

    def reload() -> None:
        pipeline.unload_lora_weights()
        pipeline.load_lora_weights(next(theirs).path)

    mine, others = alternate(
        lambda: setting.mixer.mix([next(ours)]), reload, runs=setting.runs * 2, settle=setting.settle
    )
    setting.mixer.mix([])
    row = faster(
        "switch_vs_reload",
        "from one style to another, against `unload_lora_weights` and `load_lora_weights`, warm file",
        ours=mine,
        baseline=others,
        target=Target("at least", 10),
    )
    yield row
    yield Row(
        name="switch_time",
        say="the same, in absolute time",
        unit="ms",
        target=Target("at most", 200, of="ours"),
        ours=row.ours,
        baseline=row.baseline,
        runs=row.runs,
    )


def step_vs_unfused_peft(setting: Setting) -> Row:
    """A pass of the UNet for a step with guidance, one style of rank 16, everything eager."""
    inputs, style = setting.unet_inputs(), setting.styles[0]
    pipeline = setting.pipeline().to(setting.device)
    pipeline.load_lora_weights(style.path)
    setting.mixer.mix([style])
    mine, others = alternate(
        lambda: setting.predict(setting.base.unet, inputs),
        lambda: setting.predict(pipeline.unet, inputs),
        runs=setting.runs * 2,
        settle=setting.settle,
    )
    setting.mixer.mix([])
    return faster(
        "step_vs_unfused_peft",
        "a denoising step with one style of rank 16, against PEFT beside the layers, eager",
        ours=mine,
        baseline=others,
        target=Target("at least", 1.25),
    )


def prompt_cache(setting: Setting) -> Row:
    """A prompt seen before, and one that has to be embedded."""
    prompts = (f"a red fox on hill number {number}" for number in itertools.count())
    setting.base.prompt(setting.recipe.prompt)
    mine, others = alternate(
        lambda: setting.base.prompt(setting.recipe.prompt),
        lambda: setting.base.prompt(next(prompts)),
        runs=setting.runs * 2,
        settle=setting.settle,
    )
    return faster(
        "prompt_cache",
        "a prompt whose embedding is kept, against embedding it",
        ours=mine,
        baseline=others,
        target=Target("at least", 10),
    )
