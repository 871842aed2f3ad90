"""`python -m gpu.engine models list | check | pull NAME… | use NAME [PATH]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from gpu.engine import choices, devices, hub, memory
from gpu.engine.catalogue import CATALOGUE, MODELS, SDXL, STARTER, BaseFacts, DeviceKind, ModelFacts, model
from gpu.engine.failures import Failure

LINE_EVERY = 0.2  # seconds between two lines of progress on a terminal
STEP = 5  # percent between two lines of progress in a log
FILM = (1024, 576, 25)  # width, height, frames: what SVD-XT was made for


def add_to(verbs: Any) -> None:
    """The verb `models` with its own verbs."""
    parser = verbs.add_parser("models", help="what can be fetched, what is here, and what this machine can run")
    own = parser.add_subparsers(dest="models_verb", required=True)
    own.add_parser("list", help="every model: size, licence, and whether it is here").set_defaults(run=_list)
    own.add_parser("check", help="what this machine can run, and the checksums of what is here").set_defaults(
        run=_check
    )
    pull = own.add_parser("pull", help="fetch models, going on where a pull stopped")
    pull.add_argument("names", nargs="+", metavar="NAME")
    pull.set_defaults(run=_pull)
    use = own.add_parser("use", help="choose the base for pictures and styles, or a folder for any model")
    use.add_argument("name", metavar="NAME", help="a name of the list, a repository id, or a folder of a base")
    use.add_argument("path", nargs="?", type=Path, metavar="PATH", help="the folder that holds it")
    use.set_defaults(run=_use)


def main(arguments: argparse.Namespace) -> int:
    """Runs one verb. What goes wrong is one sentence on stderr."""
    try:
        return int(arguments.run(arguments))
    except Failure as failure:
        print(f"{failure.say}\n  ({failure.detail})" if failure.detail else failure.say, file=sys.stderr)
    except (LookupError, ValueError) as error:
        print(error.args[0], file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped. What came is kept: the same command goes on from here.", file=sys.stderr)
        return 130
    return 1


# --- list ---


def _list(_arguments: argparse.Namespace) -> int:
    base = os.environ.get("BASE_MODEL") or choices.read().base or STARTER.name
    print(f"{'name':14} {'size':>8}  {'here':5} {'licence':29} what it is")
    print(f"{STARTER.name:14} {'bundled':>8}  {'yes':5} {'Apache-2.0, CC-BY-4.0':29} {STARTER.say}")
    for one in MODELS.values():
        here = "yes" if hub.present(one) else "no"
        print(f"{one.name:14} {_size(one.bytes):>8}  {here:5} {one.licence.name:29} {one.say}")
    print(f"\nThe base in use: {base}. Fetch with `models pull NAME`, choose with `models use NAME`.")
    restricted = [one for one in MODELS.values() if not one.licence.commercial]
    for one in restricted:
        print(f"{one.title}: {one.licence.permits} {one.licence.url}")
    return 0


# --- check ---


def _check(_arguments: argparse.Namespace) -> int:
    device = devices.pick_device()
    profile = memory.profile_of(device)
    print(f"This machine: {_machine(device)}; profile {profile.name}, {_size(profile.budget)} for the engine.")
    for base in CATALOGUE.values():
        print(f"  {base.name:12} {_abilities(base, profile, 'cpu' if device == 'cpu' else 'cuda')}")
    print(f"  {'films':12} {_films(profile, device)}")
    print()
    damaged = 0
    for one in MODELS.values():
        damaged += _verify(one)
    return 1 if damaged else 0


def _machine(device: str) -> str:
    if device == "cpu":
        return f"{os.cpu_count()} CPU cores, {_size(devices.memory_bytes(device))} of memory, no GPU"
    import torch

    return f"{torch.cuda.get_device_name(device)} with {_size(devices.memory_bytes(device))}"


def _abilities(base: BaseFacts, profile: memory.Profile, kind: DeviceKind) -> str:
    width, height = base.sizes[0]
    pictures = memory.plans("picture", base, profile=profile, width=width, height=height)
    side = base.training.resolution
    training = memory.plans("training", base, profile=profile, width=side, height=side, rank=base.training.rank)
    if not memory.fits(pictures[0], profile):
        return f"does not fit: pictures of {width} × {height} need more memory."
    took = _duration(base.seconds_per_picture[kind])
    parts = [f"pictures of {width} × {height} in about {took}{_memory(pictures[0].predicted)}"]
    if not memory.fits(training[0], profile):
        parts.append("training does not fit")
    else:
        step = base.training.seconds_per_step[kind]
        parts.append(f"training at {side} px, about {_duration(step)} a step{_memory(training[0].predicted)}")
    return "; ".join(parts) + "."


def _films(profile: memory.Profile, device: str) -> str:
    width, height, frames = FILM
    if device == "cpu":
        return "camera moves over a still picture; SVD-XT wants a GPU."
    plans = memory.plans("film", None, profile=profile, width=width, height=height, frames=frames)
    if not memory.fits(plans[0], profile):
        return "camera moves over a still picture; SVD-XT needs more memory."
    return f"SVD-XT, {frames} frames of {width} × {height}{_memory(plans[0].predicted)}."


def _verify(one: ModelFacts) -> int:
    """Says how one model is; 1 where it is damaged."""
    folder = hub.where(one)
    if folder is None:
        print(f"{one.name:14} not here")
        return 0
    print(f"{one.name:14} reading {_size(one.bytes)} …", end="\r", flush=True)
    findings = hub.check(one, folder)
    wrong = [finding for finding in findings if not finding.holds]
    if str(folder) == choices.read().folders.get(one.name) and wrong:
        print(f"{one.name:14} a folder of your own, other files than the catalogue's: {folder}")
        return 0
    if wrong:
        print(f"{one.name:14} damaged: {', '.join(finding.path for finding in wrong)}. Run `models pull {one.name}`.")
        return 1
    unvouched = sum(not finding.expected for finding in findings)
    note = f" ({unvouched} small files without a sum)" if unvouched else ""
    print(f"{one.name:14} every checksum holds{note}: {folder}")
    return 0


# --- pull ---


def _pull(arguments: argparse.Namespace) -> int:
    wanted = [model(name) for name in arguments.names]
    if SDXL.name in arguments.names and "sdxl-vae" not in arguments.names:
        wanted.append(model("sdxl-vae"))  # SDXL makes no picture without it
    for one in wanted:
        print(f"{one.title}, {_size(one.bytes)}, {one.licence.name}: {one.licence.permits}")
        folder = hub.pull(one, _Meter())
        print(f"{one.name} is here, every checksum verified: {folder}")
    return 0


class _Meter:
    """Progress on a terminal as one line that changes, in a log as a line every few percent."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()
        self.begun = -1
        self.percent = -STEP

    def __call__(self, file: str, here: int, total: int) -> None:
        now = time.monotonic()
        if self.begun < 0:
            self.begun = here
        percent = 100 * here // max(total, 1)
        terminal = sys.stdout.isatty()
        due = now - self.last >= LINE_EVERY if terminal else percent >= self.percent + STEP
        if not due and here < total:
            return
        self.last, self.percent = now, percent
        speed = (here - self.begun) / max(now - self.start, 1e-3)
        left = f", {_duration((total - here) / speed)} left" if speed > 0 and here < total else ""
        line = f"  {percent:3d} %  {_size(here)} of {_size(total)}, {speed / 1e6:.1f} MB/s{left}  {file}"
        print(f"\r{line:100.100}" if terminal else line, end="" if terminal and here < total else "\n", flush=True)


# --- use ---


def _use(arguments: argparse.Namespace) -> int:
    name, path = str(arguments.name), arguments.path
    chosen = choices.read()
    if name in MODELS:
        chosen = _with_folder(chosen, MODELS[name], path.expanduser().resolve() if path else None)
        if name in CATALOGUE:
            chosen = chosen.with_base(name)
    elif path is not None:
        raise LookupError(f"A folder can be given for a name of the list: {', '.join(MODELS)}.")
    else:
        chosen = chosen.with_base(_base(name))
    choices.write(chosen)
    base = chosen.base or STARTER.name
    print(f"The base is {base}. A site that is running takes it with its next start.")
    forced = os.environ.get("BASE_MODEL")
    if forced and forced != base:
        print(f"But BASE_MODEL is set to {forced} here, and goes first.")
    return 0


def _with_folder(chosen: choices.Choices, wanted: ModelFacts, folder: Path | None) -> choices.Choices:
    """The choices with a folder for this model; without one, its own copy, which must be here if it is a base."""
    if folder is not None:
        if not hub.stands_in(folder, wanted):
            needed = ", ".join(file.path for file in wanted.files if file.path.endswith(".safetensors"))
            raise LookupError(f"{folder} does not hold {wanted.title}: it needs {needed}, in half or full precision.")
        return chosen.with_folder(wanted.name, folder)
    kept = chosen.folders.get(wanted.name)
    if wanted.name not in CATALOGUE or (kept and not hub.stands_in(Path(kept), wanted)):
        chosen = chosen.without_folder(wanted.name)
    if wanted.name in CATALOGUE and wanted.name not in chosen.folders and not hub.present(wanted):
        raise LookupError(f"{wanted.title} is not here. Run `models pull {wanted.name}`, or give its folder.")
    return chosen


def _base(name: str) -> str:
    if name in CATALOGUE:
        return name
    folder = Path(name).expanduser().resolve()
    if (folder / "model_index.json").is_file():
        return str(folder)
    if folder.exists():
        raise LookupError(f"{folder} holds no base in diffusers' layout: there is no model_index.json in it.")
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        print(f"{name} is fetched from the model hub when it is first needed, without a checksum of ours.")
        return name
    raise LookupError(f"There is no base “{name}”: name one of {', '.join(CATALOGUE)}, a repository id or a folder.")


# --- words ---


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _memory(predicted: int) -> str:
    return f" ({_size(predicted)})" if predicted else ""


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
