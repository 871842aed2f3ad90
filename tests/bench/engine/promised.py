"""What is promised on a GPU, by group: these rows stand in the table before anybody has measured them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.engine.rows import Row, Target

NOTE = "not yet measured: needs a CUDA GPU"

_PROMISES: dict[str, list[tuple[str, str, str, Target]]] = {
    "pictures": [
        ("fine_vs_offload", "a fine picture, against `enable_model_cpu_offload`", "s", Target("at least", 1.3)),
        ("fine_peak", "memory reserved for a fine picture at most", "GiB", Target("at most", 7.0, of="ours")),
    ],
    "fast": [
        (
            "fast_vs_offload",
            "a fast picture, against an offloaded fine one",
            "s",
            Target("at least", 5),
        ),
    ],
    "compiled": [
        (
            "fine_vs_compiled",
            "a fine picture, against everything resident and compiled without a cap",
            "s",
            Target("at least", 0.909),
        ),
    ],
    "training": [
        ("train_peak_vs_reference", "memory of a training, against the plain reference", "GiB", Target("at least", 2)),
        (
            "train_peak_vs_sd_scripts",
            "memory of a training, against sd-scripts' published 4.4 GB",
            "GB",
            Target("at most", 4.62, of="ours"),
        ),
    ],
    "films": [
        (
            "film_vs_recipe",
            "a film of 25 frames, against diffusers' own recipe",
            "s",
            Target("at least", 1.2),
        ),
        ("film_peak_vs_recipe", "its memory, against the same recipe", "GiB", Target("at least", 1.111)),
    ],
}


def on_a_gpu(group: str) -> Iterator[Row]:
    for name, say, unit, target in _PROMISES.get(group, []):
        yield Row(name=name, say=say, unit=unit, target=target, note=NOTE)
