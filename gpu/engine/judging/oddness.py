"""Which picture of a set does not belong with the others, by what it shows and by how it is made.

Distances are counted in the set's own spread around its median (MAD), which one stranger does not move.
"""

from __future__ import annotations

import numpy as np

from gpu.engine.judging.features import Features, Floats

FEWEST = 6  # works; of fewer one cannot say what they have in common
NEIGHBOURS = 3
# Spreads beyond which a work of 24 stands apart. Measured: works of one hand lie within 3.1, strangers beyond 3.9.
CLEAR = 3.6
CLEAR_FOR = 24  # works; the spread of fewer is known less well, and asks for more


def oddness(seen: Features) -> Floats:
    """How far each picture stands from the rest: (n,) from 0 to 1, from 0.5 on clearly; all zeros for small sets."""
    count = len(seen)
    if count < FEWEST:
        return np.zeros(count, dtype=np.float32)
    subject, manner = _spreads(_from_neighbours(seen.content)), _spreads(_from_middle(seen.style))
    away = np.hypot(np.maximum(subject, 0), np.maximum(manner, 0))
    return away / (away + CLEAR * max(1.0, CLEAR_FOR / count))


def _from_neighbours(content: Floats) -> Floats:
    """Distance to the few that are most alike: a set may have many subjects, but a stranger has no kin in it."""
    alike = content @ content.T
    np.fill_diagonal(alike, -1)
    return 1 - np.sort(alike, axis=1)[:, -NEIGHBOURS:].mean(axis=1)


def _from_middle(style: Floats) -> Floats:
    """Distance to the set's median, each figure in its own spread."""
    middle = np.median(style, axis=0)
    away = np.abs(style - middle)
    spread = 1.4826 * np.median(away, axis=0) + 1e-3 * np.abs(middle).max() + 1e-6
    return np.sqrt(np.mean(np.minimum(away / spread, 10.0) ** 2, axis=1))


def _spreads(distances: Floats) -> Floats:
    middle = np.median(distances)
    return (distances - middle) / (1.4826 * np.median(np.abs(distances - middle)) + 0.05 * middle + 1e-6)
