"""Malformed commands of every kind: taken or refused by name, and never the end of the engine."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from gpu.engine import contract
from tests.engine.makers import picture_spec, training_spec
from tests.engine.test_process import Process

STYLE = {"path": "style.safetensors", "sha256": "0" * 64, "weight": 0.5, "works": ""}
PICTURE = {**picture_spec("base", Path("out")).model_dump(mode="json"), "styles": [STYLE], "tier": "fine"}
CLIP = {"out_dir": "out", "source": "a.png", "width": 64, "height": 64, "seconds": 4}

# One good spec of every kind, every field said.
SPECS: dict[str, dict[str, Any]] = {
    spec["kind"]: spec
    for spec in (
        PICTURE,
        {**PICTURE, "kind": "image_to_image", "source": "a.png", "strength": 0.5},
        {**PICTURE, "kind": "inpaint", "source": "a.png", "mask": "m.png", "strength": 1.0, "feather": 8},
        {**PICTURE, "kind": "outpaint", "source": "a.png", "left": 1, "top": 1, "scale": 1.0, "feather": 16},
        {**PICTURE, "kind": "upscale", "source": "a.png", "factor": 2, "strength": 0.2},
        {**CLIP, "kind": "image_to_video", "model": "svd-xt", "frames": 25, "fps": 6, "steps": 25, "motion": 127,
         "noise": 0.02, "seed": 1},
        {**CLIP, "kind": "camera_move", "move": "push_in", "fps": 24},
        {"kind": "study", "images": [{"id": "1", "path": "a.png"}], "captioner": ""},
        training_spec("base", Path("out"), [Path("a.png")]).model_dump(mode="json"),
    )
}  # fmt: skip


def _kinds(union: Any) -> set[str]:
    return {kind.model_fields["kind"].default for kind in get_args(get_args(union)[0])}


def test_every_kind_of_the_contract_is_here_with_every_field() -> None:
    assert SPECS.keys() == _kinds(contract.Spec)
    for spec in SPECS.values():
        command = contract.read_command(_line(spec))
        assert isinstance(command, contract.Run)
        assert isinstance(command.spec, BaseModel)
        assert type(command.spec).model_fields.keys() == spec.keys()


def _line(spec: Any) -> str:
    return json.dumps({"command": "run", "job": "j", "spec": spec})


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a spec that something can be put at."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([path] if path else []), *(place for key, part in items for place in _places(part, (*path, key)))]


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if levels % 2 else {"a": value}
    return value


NONSENSE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 2**31, 2**63, 2**64, 10**400, 1e308, float("nan"), float("inf"), -float("inf")]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "\0", "\ud800", "a" * 100_000, "../../etc/passwd", "١٢٣", "1e5", "NaN", "true"]),
    st.sampled_from([[], {}, [[]], [None], {"a": {}}, _deep(30), _deep(201)]),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


@st.composite
def malformed(draw: st.DrawFn) -> tuple[str, str]:
    """A line with one thing wrong in it (or not, by chance), and the name of the field where."""
    spec: Any = copy.deepcopy(SPECS[draw(st.sampled_from(sorted(SPECS)))])
    place = draw(st.sampled_from(_places(spec)))
    holder = spec
    for key in place[:-1]:
        holder = holder[key]
    match draw(st.sampled_from(["missing", "extra", "replaced", "replaced", "replaced"])):
        case "missing":
            del holder[place[-1]]
        case "extra" if isinstance(holder, dict):
            name = draw(st.text(min_size=1, max_size=10))
            holder[name] = draw(NONSENSE)
            place = (*place[:-1], name)
        case _:
            holder[place[-1]] = draw(NONSENSE)
    return _line(spec), str(place[0])


@given(case=malformed())
@settings(max_examples=600, deadline=None)
def test_whatever_is_wrong_with_a_spec_is_refused_by_the_name_of_its_field(case: tuple[str, str]) -> None:
    line, field = case
    try:
        contract.read_command(line)
    except contract.Malformed as fault:
        said = str(fault)
        assert said.startswith("run.spec") or "JSON" in said  # what is no JSON has no fields
        assert field in said or field == "kind" or "JSON" in said


@given(data=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_bytes_that_are_no_command_are_refused(data: bytes) -> None:
    with pytest.raises(contract.Malformed):
        contract.read_command(data.decode(errors="replace"))


def test_an_engine_that_hears_nothing_but_nonsense_goes_on(tmp_path: Path) -> None:
    lines: list[bytes] = []

    @given(case=malformed())
    @settings(max_examples=120, deadline=None, database=None)
    def gather(case: tuple[str, str]) -> None:
        try:
            contract.read_command(case[0])
        except contract.Malformed:
            lines.append(case[0].encode(errors="surrogatepass"))

    gather()
    good = _line(PICTURE).encode()
    lines += [good.replace(b'"out"', b'"\xff\xfe"', 1)[:-3], good[: len(good) // 2], b"\x00" * 50, b"[" * 20_000]
    engine = Process(tmp_path / "locks")
    engine.wait_for("hello")
    assert engine.pipe.stdin
    for line in lines:
        engine.pipe.stdin.buffer.write(line.replace(b"\n", b" ") + b"\n")
    engine.pipe.stdin.buffer.flush()
    errors = [engine.wait_for("error") for _ in lines]
    assert {(error.code, error.retryable) for error in errors} == {("bad_spec", False)}
    engine.say(contract.Ping())
    assert engine.wait_for("pong")
    assert engine.close() == 0
