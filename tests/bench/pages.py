"""How fast pages answer while people click: `python tests/bench/pages.py --links links.txt [--users 20]`.

`links.txt` holds one-time sign-in links of a running stack, one a line and one for each user
(`make manage CMD="signin_link user1@example.com --create"`). Every user reads a page, waits `--pause` seconds and
reads the next; times are of the whole answer, measured by the client. Only loopback addresses are accepted. Writes a
table to the terminal and the figures to `var/bench/pages.json`.
"""

from __future__ import annotations

import argparse
import http.cookiejar
import ipaddress
import json
import random
import socket
import statistics
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

PAGES = ("/studio/", "/styles/", "/create/", "/gallery/", "/credits/", "/settings/")


@dataclass
class Figures:
    """Milliseconds by page, and what was not answered with 200."""

    times: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, page: str, milliseconds: float) -> None:
        with self.lock:
            self.times.setdefault(page, []).append(milliseconds)


def check_loopback(link: str) -> None:
    host = urllib.parse.urlsplit(link).hostname or ""
    if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
        raise SystemExit(f"{host} is not this machine; this load goes to loopback addresses only.")


def click(link: str, until: float, pause: float, figures: Figures, seed: int) -> None:
    """One user: sign in, then read page after page."""
    chance = random.Random(seed)
    parts = urllib.parse.urlsplit(link)
    home = f"{parts.scheme}://{parts.netloc}"
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    opener.open(link, timeout=30).read()
    time.sleep(chance.uniform(0, pause))
    while time.monotonic() < until:
        page = chance.choice(PAGES)
        began = time.perf_counter()
        try:
            answer = opener.open(home + page, timeout=30)
            answer.read()
            if urllib.parse.urlsplit(answer.url).path != page:
                figures.failures.append(f"{page} led to {answer.url}")
        except OSError as error:
            figures.failures.append(f"{page}: {error}")
        figures.add(page, (time.perf_counter() - began) * 1000)
        time.sleep(pause)


def share(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--links", type=Path, required=True)
    options.add_argument("--users", type=int, default=20)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--pause", type=float, default=5)
    options.add_argument("--out", type=Path, default=Path("var/bench/pages.json"))
    chosen = options.parse_args()
    links = chosen.links.read_text().split()[: chosen.users]
    for link in links:
        check_loopback(link)
    figures, until = Figures(), time.monotonic() + chosen.seconds
    users = [
        threading.Thread(target=click, args=(link, until, chosen.pause, figures, seed))
        for seed, link in enumerate(links)
    ]
    for user in users:
        user.start()
    for user in users:
        user.join()
    rows = {"all": [one for times in figures.times.values() for one in times], **figures.times}
    table = {
        page: {"n": len(t), "p50": statistics.median(t), "p95": share(t, 95), "p99": share(t, 99)}
        for page, t in rows.items()
    }
    for page, row in table.items():
        print(f"{page:12} n {row['n']:4}  p50 {row['p50']:6.0f} ms  p95 {row['p95']:6.0f} ms  p99 {row['p99']:6.0f} ms")
    print(f"{len(figures.failures)} failures", *figures.failures[:5], sep="\n  ")
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(
        json.dumps({"users": len(links), "pages": table, "failures": len(figures.failures)}, indent=1)
    )


if __name__ == "__main__":
    main()
