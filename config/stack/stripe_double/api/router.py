"""Which function answers which address, and how lists are cut into pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from config.stack.stripe_double.errors import ApiError, missing
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World, listing

Handler = Callable[..., Thing]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    pattern: re.Pattern[str]
    handler: Handler


ROUTES: list[Route] = []


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """`handler(world, params, *ids)` answers `path`, whose `{}` are the ids."""
    pattern = re.compile(re.escape(path).replace(r"\{\}", "([^/]+)"))

    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(method, path, pattern, handler))
        return handler

    return register


def find(method: str, path: str) -> tuple[Handler, list[str]]:
    """The function for an address, and the ids in it. A word of the address goes before an id in its place."""
    matches = [(one, match) for one in ROUTES if one.method == method and (match := one.pattern.fullmatch(path))]
    if not matches:
        raise ApiError(
            f"Unrecognized request URL ({method}: {path}). "
            "The double does not imitate everything: docs/stripe-double.md.",
            status=404,
        )
    chosen, match = min(matches, key=lambda found: len(found[1].groups()))
    return chosen.handler, list(match.groups())


def page(
    world: World,
    params: Params,
    url: str,
    things: Iterable[Thing],
    *,
    oldest_first: bool = False,
    dated: bool = True,
) -> Thing:
    """One page of a list, newest first as nearly everywhere at Stripe. `dated`: it can be filtered by `created`."""
    limit = params.number("limit", 10, least=1) or 10
    after, before = params.text("starting_after"), params.text("ending_before")
    created = _created(params) if dated else None
    params.end()
    if limit > 100:
        raise ApiError("This value must be less than or equal to 100.", code="parameter_invalid_integer", param="limit")
    chosen = [thing for thing in things if created is None or created(thing)]
    if not oldest_first:
        chosen.reverse()
    ids = [thing["id"] for thing in chosen]
    for name, given in (("starting_after", after), ("ending_before", before)):
        if given is not None and given not in ids:
            raise missing("object", given, param=name)
    if after is not None:
        chosen = chosen[ids.index(after) + 1 :]
    if before is not None:
        chosen = chosen[: ids.index(before)]
        return listing(url, [world.shown(t) for t in chosen[-limit:]], has_more=len(chosen) > limit)
    return listing(url, [world.shown(thing) for thing in chosen[:limit]], has_more=len(chosen) > limit)


def _created(params: Params) -> Callable[[Thing], bool]:
    """The filter `created`: a moment, or bounds."""
    if "created" not in params:
        return lambda thing: True
    if not isinstance(params.plain("created"), dict):
        moment = params.number("created")
        return lambda thing: thing["created"] == moment
    level = params.inside("created")
    bounds = {name: level.number(name) for name in ("gte", "gt", "lte", "lt")}
    checks: dict[str, Callable[[int, int], bool]] = {
        "gte": lambda made, bound: made >= bound,
        "gt": lambda made, bound: made > bound,
        "lte": lambda made, bound: made <= bound,
        "lt": lambda made, bound: made < bound,
    }
    return lambda thing: all(
        checks[name](thing["created"], bound) for name, bound in bounds.items() if bound is not None
    )


def filtered(world: World, params: Params, kind: str, *names: str) -> list[Thing]:
    """The things of a kind that match the filters given by these parameters."""
    wanted = {name: value for name in names if (value := params.text(name)) is not None}
    return list(world.store.all(kind, **wanted))
