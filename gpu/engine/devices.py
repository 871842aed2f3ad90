"""Which device this engine works on, and the lock that keeps a second engine off it."""

from __future__ import annotations

import fcntl
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import IO

LOCK_WAIT = 15.0  # seconds: an engine whose worker died needs ten to write its snapshot and leave


def pick_device() -> str:
    """`cuda:0` or `cpu`. Torch is imported only where a GPU driver is present: on a CPU the answer is immediate."""
    wanted = os.environ.get("ENGINE_DEVICE", "")
    if wanted:
        return wanted
    if not (Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists() or Path("/dev/dxg").exists()):
        return "cpu"
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def memory_bytes(device: str) -> int:
    """Memory of the GPU, or of the machine where there is none."""
    if device == "cpu":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


def free_host_bytes() -> int:
    """Memory of the machine that is free, or would be once files are forgotten that it keeps for speed."""
    facts = Path("/proc/meminfo")
    for line in facts.read_text().splitlines() if facts.is_file() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


def peak_bytes(device: str) -> int:
    """The most memory a job held: reserved on a GPU, resident on a CPU (of the whole process life)."""
    if device == "cpu":
        return _most_resident()
    import torch

    return int(torch.cuda.max_memory_reserved(device))


def _most_resident() -> int:
    """This program's own: what `getrusage` counts begins with the parent's memory at the moment of the fork."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def lock_device(device: str, *, wait: float = LOCK_WAIT) -> IO[str] | None:
    """Takes the device for this process, until it ends. None if another engine still holds it after `wait` seconds."""
    folder = Path(os.environ.get("ENGINE_LOCK_DIR") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    handle = (folder / f"artistcloner-engine-{device.replace(':', '-')}.lock").open("a")
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                handle.close()
                return None
            time.sleep(0.2)
        else:
            return handle
