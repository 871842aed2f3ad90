"""Progress of a picture."""

from __future__ import annotations

import time

from gpu.engine.report import Report


class Pace:
    """Nine tenths of a picture are denoising, the rest decoding."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.first: float | None = None

    def step(self, step: int, steps: int) -> None:
        now = time.monotonic()
        eta = None
        if self.first is None:
            self.first = now
        elif step > 1:
            eta = (now - self.first) / (step - 1) * (steps - step + steps / 10)
        self.report.progress(0.05 + 0.9 * step / steps, step=step, steps=steps, eta=eta)
