"""`python -m tests.bench.main_job`: the main job on a stack of its own, timed and held against what is promised.

It trains the sample set, reads pages as twenty people meanwhile, and makes four pictures in the new style. The figures
mean something on a machine that does nothing else.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.pages import Figures, click, share
from tests.stack.running import RunningStack, running_stack

READERS, READING_SECONDS, PAUSE = 20, 60.0, 5.0
_LINKS = """
from accounts.actions import create_sign_in_link
from accounts.management.people import person
from django.conf import settings
from django.urls import reverse
for n in range({readers}):
    plain = create_sign_in_link(user=person(f"reader{{n}}@example.com", create=True))
    print(settings.PUBLIC_URL + reverse("accounts:use_link", args=[plain]))
"""


class Bench:
    """Measures taken so far, each with the most it may be."""

    def __init__(self) -> None:
        self.missed = 0

    def tell(self, what: str, measured: float, promised: float, unit: str) -> None:
        held = measured <= promised
        self.missed += not held
        print(f"{'ok  ' if held else 'SLOW'} {what:<46} {measured:7.1f} {unit}  (promised: {promised:g})", flush=True)


class Api:
    """The public API, by a token."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._headers = url + "/api/v1", {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {**self._headers, "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())


def wait(question: Callable[[], str], *, until: tuple[str, ...], seconds: float) -> float:
    """Seconds until the answer is one of `until`."""
    began = time.monotonic()
    while (state := question()) not in until:
        if state in ("failed", "cancelled") or time.monotonic() - began > seconds:
            raise SystemExit(f"It is {state} after {time.monotonic() - began:.0f} s.")
        time.sleep(0.25)
    return time.monotonic() - began


def read_pages(links: list[str]) -> Figures:
    figures, until = Figures(), time.monotonic() + READING_SECONDS
    readers = [
        threading.Thread(target=click, args=(link, until, PAUSE, figures, seed)) for seed, link in enumerate(links)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return figures


def measure(stack: RunningStack, bench: Bench) -> None:
    api = Api(stack.url, stack.manage("api_token", "artist@example.com", "--create").strip())
    links = stack.manage("shell", "-v0", "-c", _LINKS.format(readers=READERS)).split()

    style = api("POST", "/styles/sample", {})["id"]
    asked = time.monotonic()
    api("POST", f"/styles/{style}/train", {"purpose": "style", "quality": "quick"})

    def training() -> str:
        return str(api("GET", f"/styles/{style}/training")["state"])

    wait(training, until=("running", "succeeded"), seconds=60)
    figures = read_pages(links)
    times = [one for page in figures.times.values() for one in page]
    bench.tell(f"page, 95 of 100 ({len(times)} while it trains)", share(times, 95), 150, "ms")
    bench.tell("page, half", statistics.median(times), 150, "ms")
    bench.tell("pages that failed", len(figures.failures), 0, "")
    wait(training, until=("succeeded",), seconds=900)
    bench.tell("24 pictures trained at Quick", time.monotonic() - asked, 240, "s")

    request = {"prompt": "a red house by the sea", "count": 4, "seed": 7, "styles": [{"id": style}]}
    began = time.monotonic()
    made = api("POST", "/generate", request)["id"]
    wait(lambda: str(api("GET", f"/generations/{made}")["state"]), until=("succeeded",), seconds=300)
    bench.tell("four pictures in the style", time.monotonic() - began, 30, "s")


def main() -> int:
    bench = Bench()
    with tempfile.TemporaryDirectory(prefix="artistcloner-bench-") as folder:
        state_dir = Path(folder) / "state"
        began = time.monotonic()
        with running_stack(state_dir) as stack:
            bench.tell("first start, packages installed", time.monotonic() - began, 60, "s")
            bench.tell("stop", stack.stop(), 10, "s")
        began = time.monotonic()
        with running_stack(state_dir) as stack:
            bench.tell("second start", time.monotonic() - began, 12, "s")
            measure(stack, bench)
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
