"""Bases in memory: masters, guests, precision, and the shelf."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gpu.engine.lora import Mixer
from gpu.engine.memory import guests
from gpu.engine.memory.compiling import compile_blocks
from gpu.engine.memory.guests import rest, visiting
from gpu.engine.models import Base, Shelf, load
from gpu.engine.models.masters import Masters
from gpu.engine.pipelines.painting import denoise
from gpu.engine.report import Report
from gpu.engine.studio import Studio
from tests.engine.conftest import make_tiny_base
from tests.engine.makers import RECIPE, Heard, picture_spec, random_lora, same, tensor_bytes, weights_of


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


@pytest.fixture
def kept(base: Base) -> Base:
    """With its masters in host memory, as on a GPU."""
    base.masters = Masters(base.parts, pinned=False)
    base.become(torch.float32)
    return base


# --- masters -------------------------------------------------------------------------------------------------------


def test_a_base_comes_back_from_another_precision_to_the_last_bit(kept: Base) -> None:
    before = weights_of(kept)
    kept.become(torch.bfloat16)
    assert {tensor.dtype for tensor in weights_of(kept).values()} == {torch.bfloat16}
    kept.become(torch.float32)
    assert same(weights_of(kept), before)


def test_a_base_that_left_the_device_makes_the_same_picture_when_it_is_back(kept: Base) -> None:
    before = denoise(kept, RECIPE)
    kept.leave()
    assert all(kept.masters.holds(parameter) for parameter in kept.unet.parameters())  # type: ignore[union-attr]
    kept.become(torch.float32)
    assert not any(kept.masters.holds(parameter) for parameter in kept.unet.parameters())  # type: ignore[union-attr]
    assert torch.equal(denoise(kept, RECIPE), before)


def test_styles_start_from_the_masters_and_never_write_to_them(kept: Base, tmp_path: Path) -> None:
    before = {name: weight.clone() for name, weight in kept.masters.items()}  # type: ignore[union-attr]
    bare = weights_of(kept)
    style = random_lora(kept, tmp_path / "a.safetensors", rank=4, alpha=4, seed=1)
    mixer = Mixer(kept)
    mixer.mix([style])
    assert not same(weights_of(kept), bare)
    assert not mixer._masters, "the base's own are enough"
    mixer.mix([])
    assert same(weights_of(kept), bare)
    assert same(dict(kept.masters), before)  # type: ignore[arg-type]


def test_changes_of_precision_do_not_add_up_in_memory(kept: Base) -> None:
    kept.become(torch.bfloat16)
    kept.become(torch.float32)
    before = tensor_bytes()
    for _ in range(20):
        kept.become(torch.bfloat16)
        kept.become(torch.float32)
    assert tensor_bytes() == before


def test_masters_lie_close_together(tiny_base: Path) -> None:
    base = load(str(tiny_base), "cpu")
    masters = Masters(base.parts, pinned=False)
    assert len(masters) == sum(1 for part in base.parts.values() for _ in part.parameters())
    assert masters.bytes == sum(weight.nbytes for weight in masters.values())
    assert len({weight.untyped_storage().data_ptr() for weight in masters.values()}) == 1, "one block holds them all"


# --- guests --------------------------------------------------------------------------------------------------------


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> nn.Linear:
    """At rest, as seen from a device that is not the CPU: what lies elsewhere than at first has arrived there."""
    module = nn.Linear(8, 8)
    rest(module)
    home = {tensor.data_ptr() for tensor in module.parameters()}
    monkeypatch.setattr(guests, "_elsewhere", lambda tensor, device: tensor.data_ptr() in home)
    return module


def _places(module: nn.Module) -> list[int]:
    return [tensor.data_ptr() for tensor in module.parameters()]


def test_a_guest_is_dropped_on_the_device_and_never_copied_back(guest: nn.Linear) -> None:
    home = _places(guest)
    with visiting(guest, torch.device("cpu")):
        there = _places(guest)
        assert not set(there) & set(home)
        with visiting(guest, torch.device("cpu")):  # one who is there already stays when the inner visit ends
            assert _places(guest) == there
        assert _places(guest) == there
        guest.weight.data.zero_()
    assert _places(guest) == home
    assert guest.weight.abs().sum() > 0, "what happens there does not come home"


def test_a_guest_goes_home_when_its_work_fails(guest: nn.Linear) -> None:
    home = _places(guest)
    with pytest.raises(torch.OutOfMemoryError), visiting(guest, torch.device("cpu")):
        raise torch.OutOfMemoryError
    assert _places(guest) == home


def test_a_guest_may_work_in_another_precision(guest: nn.Linear) -> None:
    with visiting(guest, torch.device("cpu"), torch.bfloat16):
        assert {tensor.dtype for tensor in guest.parameters()} == {torch.bfloat16}
    assert {tensor.dtype for tensor in guest.parameters()} == {torch.float32}


def test_a_thousand_visits_leave_nothing_behind(guest: nn.Linear) -> None:
    before = tensor_bytes()
    for _ in range(1000):
        with visiting(guest, torch.device("cpu")):
            pass
    assert tensor_bytes() == before


@pytest.mark.cuda
def test_visits_do_not_add_up_in_a_gpus_memory() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU here")
    module = nn.Sequential(*[nn.Linear(512, 512) for _ in range(8)])
    rest(module)

    def visit() -> int:
        with visiting(module, torch.device("cuda:0")):
            module(torch.zeros(1, 512, device="cuda:0"))
        return torch.cuda.memory_allocated()

    first = visit()
    assert {visit() for _ in range(20)} == {first}


# --- the shelf -----------------------------------------------------------------------------------------------------


def test_pictures_and_training_take_turns_without_reading_the_disk(
    kept: Base, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, where the two want other precisions."""
    monkeypatch.setattr("gpu.engine.models.shelf.load", lambda name, device, use: kept)
    monkeypatch.setattr("gpu.engine.models.shelf.dtype_for", _precisions)
    monkeypatch.setattr(Shelf, "_key_of", lambda self, name, use: (name, use))
    shelf = Shelf("cpu")
    name = str(tiny_base)
    first = denoise(shelf.take(name, "pictures"), RECIPE)
    monkeypatch.setattr("gpu.engine.models.shelf.load", _never)
    assert shelf.take(name, "training").dtype == torch.bfloat16
    assert torch.equal(denoise(shelf.take(name, "pictures"), RECIPE), first)
    shelf.clear()
    assert not shelf.has(name, "pictures")
    assert torch.equal(denoise(shelf.take(name, "pictures"), RECIPE), first)


def _precisions(device: str, use: str) -> torch.dtype:
    return torch.bfloat16 if use == "training" else torch.float32


def _never(*_: object) -> Base:
    raise AssertionError("it was read again")


def test_a_spent_base_is_read_again(tiny_base: Path) -> None:
    shelf = Shelf("cpu")
    first = shelf.take(str(tiny_base), "pictures")
    assert shelf.take(str(tiny_base), "pictures") is first
    first.spent = True
    assert shelf.take(str(tiny_base), "pictures") is not first


def test_a_base_that_is_not_kept_is_gone_before_another_is_read(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio("cpu")
    first = weakref.ref(studio.base(str(tiny_base), "pictures", Heard().report)[0].unet)
    other = make_tiny_base(tmp_path / "other", seed=1)
    alive: list[bool] = []

    def reading(name: str, device: str, use: Any) -> Base:
        alive.append(first() is not None)
        return load(name, device, use)

    monkeypatch.setattr("gpu.engine.models.shelf.load", reading)
    second = weakref.ref(studio.base(str(other), "pictures", Heard().report)[0].unet)
    assert alive == [False]
    studio.clear()
    assert second() is None


def test_a_film_in_between_leaves_no_style_behind(tiny_base: Path, tmp_path: Path) -> None:
    studio = Studio("cpu")
    base, _ = studio.base(str(tiny_base), "pictures", Heard().report)
    style = random_lora(base, tmp_path / "a.safetensors", rank=2, alpha=2, seed=1)
    fresh = weights_of(base)
    studio.run(picture_spec(tiny_base, tmp_path, styles=[style]), Heard().report)
    studio.clear()
    again, _ = studio.base(str(tiny_base), "pictures", Heard().report)
    assert same(weights_of(again), fresh)


def test_a_warm_base_is_not_announced_as_loading(tiny_base: Path, tmp_path: Path) -> None:
    studio = Studio("cpu")
    studio.warm_up(str(tiny_base))
    loads: list[Report] = []
    heard = Heard()
    heard.report.loading = lambda: loads.append(heard.report)  # type: ignore[method-assign, assignment, return-value, func-returns-value]
    studio.run(picture_spec(tiny_base, tmp_path), heard.report)
    assert not loads


# --- safe numbers --------------------------------------------------------------------------------------------------


def test_weights_come_back_from_safe_numbers_to_the_last_bit(base: Base) -> None:
    before = weights_of(base)
    base.unet.half()
    half = weights_of(base)
    base.dtype = torch.float16
    with base.in_safe_precision():
        assert {tensor.dtype for tensor in base.unet.parameters()} == {torch.float32}
        assert base.prompt("a fox").tokens.dtype == torch.float32
    assert same(weights_of(base), half)
    assert before.keys() == half.keys()


# --- compilation ---------------------------------------------------------------------------------------------------


def _compiled(graphs: list[Any]) -> Callable[..., Any]:
    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    return backend


def test_repeated_blocks_are_compiled_once_for_each_shape_and_never_for_a_style(base: Base, tmp_path: Path) -> None:
    plain = denoise(base, RECIPE)
    graphs: list[Any] = []
    compile_blocks(base.unet, wanted=True, backend=_compiled(graphs))
    assert torch.allclose(denoise(base, RECIPE), plain, atol=1e-5)
    blocks = sum(type(module).__name__ == "BasicTransformerBlock" for module in base.unet.modules())
    assert 0 < len(graphs) <= blocks
    count = len(graphs)
    mixer = Mixer(base)
    for number in range(10):
        mixer.mix([random_lora(base, tmp_path / f"{number}.safetensors", rank=2 + number, alpha=2, seed=number)])
        denoise(base, RECIPE)
    assert len(graphs) == count
    compile_blocks(base.unet, wanted=False)
    mixer.mix([])
    assert torch.equal(denoise(base, RECIPE), plain)
    compile_blocks(base.unet, wanted=True)
    denoise(base, RECIPE)
    assert len(graphs) == count, "what was compiled before is still known"


def test_a_compiler_that_fails_costs_no_picture(base: Base, capsys: pytest.CaptureFixture[str]) -> None:
    plain = denoise(base, RECIPE)

    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no such compiler")

    compile_blocks(base.unet, wanted=True, backend=broken)
    assert torch.equal(denoise(base, RECIPE), plain)
    assert "compilation failed" in capsys.readouterr().err
