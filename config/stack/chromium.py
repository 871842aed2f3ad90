"""The browser for the browser tests: one that is there, else Playwright's, else the distribution's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from config.stack.state import Trouble

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str:
    """The path of a Chromium that starts; installs one where there is none."""
    return _installed() or _playwrights() or _debians() or _give_up()


def _installed() -> str | None:
    given = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else []
    return next((path for name in (*given, *_NAMES) if (path := shutil.which(name)) and _starts(path)), None)


def _playwrights() -> str | None:
    where = "from playwright.sync_api import sync_playwright as p\nwith p() as it: print(it.chromium.executable_path)"
    answer = subprocess.run([sys.executable, "-c", where], capture_output=True, text=True)
    path = answer.stdout.strip()
    if answer.returncode or not path:
        return None
    if not _starts(path):
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], stdout=sys.stderr)
    return path if _starts(path) else None


def _debians() -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "chromium"]):
        subprocess.run(["apt-get", *command], stdin=subprocess.DEVNULL, stdout=sys.stderr, env=quiet)
    return _installed()


def _give_up() -> str:
    raise Trouble(
        "The browser tests need a Chromium and none could be had: install the package `chromium`, "
        "or give the path of one by CHROMIUM=. `make test ARGS=\"-m 'not browser'\"` runs everything else."
    )


def _starts(path: str) -> bool:
    """Whether it runs at all: Playwright's build lacks its system libraries on a bare machine."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
