"""What can be made of an artwork next. The rooms that can make something say so when the program starts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.utils.functional import Promise

from gallery.models import Artwork


@dataclass(frozen=True)
class Way:
    """A link on the artwork's page. `url_of` may answer "" where this artwork cannot be taken on.

    `price_of` says what one picture or film costs there, where that is known beforehand. How many are made is chosen on
    the page it leads to, so the figure is the one of the price list.
    """

    title: str | Promise
    icon: str
    url_of: Callable[[Artwork], str]
    kinds: frozenset[str]
    price_of: Callable[[Artwork], int] | None = None


@dataclass(frozen=True)
class Step:
    """A way that is open from one artwork."""

    title: str | Promise
    icon: str
    url: str
    price: int | None = None


_ways: list[Way] = []


def register(
    title: str | Promise,
    icon: str,
    url_of: Callable[[Artwork], str],
    kinds: Collection[str] = ("image",),
    price_of: Callable[[Artwork], int] | None = None,
) -> None:
    """Called in an app's `ready()`. The links stand in the order in which they were registered."""
    _ways.append(Way(title, icon, url_of, frozenset(kinds), price_of))


def steps(artwork: Artwork) -> list[Step]:
    """Where one can go on from this artwork."""
    open_ways = ((way, way.url_of(artwork)) for way in _ways if artwork.kind in way.kinds)
    return [
        Step(way.title, way.icon, url, way.price_of(artwork) if way.price_of else None) for way, url in open_ways if url
    ]
