"""What a plan lets a person do: the one place that knows limits, with the sentence and the way up where one is met.

Rooms ask here in a verb (`allow_film(user)`); none of them reads a plan's fields. Where a plan says no, `PlanLimit`
says what it holds, which plan holds more and what that costs, with the address where it is had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from billing import plans
from billing.catalogue import Pack, Plan, Rate, Rates
from billing.models import Entitlement
from config.kit.errors import Refusal, WayUp
from config.kit.limits import limit

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Allowance:
    """What counts for one person now. `max_styles` None: as many as they like; `tier` is the place in the queue."""

    plan: str
    name: str
    max_styles: int | None
    max_steps: int
    visible_mark: bool
    video: bool
    tier: int
    rates: Rates


class PlanLimit(Refusal):
    """The plan does not go as far. `way_up` leads to the smallest one that does; None where there is none."""

    status = 402


def allowance_of(user: User) -> Allowance:
    return _allowance(plans.plan_of(user))


def _allowance(plan: Plan) -> Allowance:
    return Allowance(
        plan=plan.slug,
        name=plan.name,
        max_styles=plan.max_styles,
        max_steps=plan.max_steps,
        visible_mark=plan.visible_mark,
        video=plan.video,
        tier=plan.tier,
        rates=plan.rates,
    )


# --- verbs ----------------------------------------------------------------------------------------------------


def allow_another_style(user: User, *, owned: int) -> None:
    """Raises `PlanLimit` where the plan's styles are used up: `owned` are there."""
    mine = allowance_of(user)
    if mine.max_styles is None or owned < mine.max_styles:
        return
    say = ngettext(
        "Your plan, %(plan)s, holds %(n)d style. Delete it to add another, or choose a plan that holds more.",
        "Your plan, %(plan)s, holds %(n)d styles. Delete one to add another, or choose a plan that holds more.",
        mine.max_styles,
    ) % {"plan": mine.name, "n": mine.max_styles}
    raise _limit(say, "plan_styles", lambda plan: plan.max_styles is None or plan.max_styles > owned)


def style_is_read_only(user: User, *, name: str, owned: int) -> PlanLimit:
    """What is said where a style beyond the plan's number is to be changed or drawn in."""
    mine = allowance_of(user)
    say = ngettext(
        "“%(name)s” is read-only: your plan, %(plan)s, keeps %(n)d style in use, and you have more. "
        "It can be looked at, exported and deleted.",
        "“%(name)s” is read-only: your plan, %(plan)s, keeps %(n)d styles in use, and you have more. "
        "It can be looked at, exported and deleted.",
        mine.max_styles or 0,
    ) % {"name": name, "plan": mine.name, "n": mine.max_styles}
    return _limit(say, "plan_read_only", lambda plan: plan.max_styles is None or plan.max_styles >= owned)


def styles_in_use(user: User) -> int | None:
    """How many styles can be worked with; None where all can. Those beyond are read-only."""
    return allowance_of(user).max_styles


def allow_film(user: User) -> None:
    """Raises `PlanLimit` where the plan has pictures alone."""
    mine = allowance_of(user)
    if not mine.video:
        say = _("Your plan, %(plan)s, makes pictures. Films come with larger plans; your picture stays as it is.")
        raise _limit(say % {"plan": mine.name}, "plan_video", lambda plan: plan.video)


def told_before(check: Callable[[], None]) -> PlanLimit | None:
    """What one of these checks would say, for a page that tells it before anything is asked for."""
    try:
        check()
    except PlanLimit as limit_met:
        return limit_met
    return None


def steps_at_most(user: User) -> int:
    return allowance_of(user).max_steps


def allow_steps(user: User, steps: int) -> None:
    """Raises `PlanLimit` where a picture is to take more steps than the plan has."""
    mine = allowance_of(user)
    if steps > mine.max_steps:
        say = _("Your plan, %(plan)s, goes up to %(most)d steps. Choose fewer, or a plan with more.")
        values = {"plan": mine.name, "most": mine.max_steps}
        raise _limit(say % values, "plan_steps", lambda plan: plan.max_steps >= steps, field="steps")


def tier_of(user: User) -> int:
    """The place in the queue: the lowest is served first."""
    return allowance_of(user).tier


def has_visible_mark(user: User) -> bool:
    """Whether what leaves the house carries the visible mark. Asked for every picture of a wall.

    Hence it reads the entitlement that came along with the person, where one did.
    """
    if not plans.billing_is_on():
        return plans.HOME.visible_mark
    entitlement = getattr(user, "entitlement", None)
    return plans.PLANS.get(entitlement.plan if entitlement else "", plans.FREE).visible_mark


def mark_limit(user: User) -> PlanLimit:
    """What is said beside a picture that carries the mark."""
    say = _("It carries the small mark of your plan, %(plan)s. The clean picture is kept for a plan without it.")
    return _limit(say % {"plan": allowance_of(user).name}, "plan_mark", lambda plan: not plan.visible_mark)


def rate(user: User, what: Literal["submit", "upload"], *, times: int = 1) -> None:
    """Count `times` of what is done, `submit` or `upload`. Raises `TooMany` past the plan's rate."""
    mine = allowance_of(user)
    wanted: Rate = getattr(mine.rates, what)
    say = {
        "submit": _("%(plan)s takes %(n)d requests %(window)s. Wait a little, then go on; nothing was lost."),
        "upload": _("%(plan)s takes %(n)d files %(window)s. Those before are here; wait a little, then go on."),
    }[what]
    for most, seconds, window in ((wanted.minute, MINUTE, _("a minute")), (wanted.hour, HOUR, _("an hour"))):
        said = say % {"plan": mine.name, "n": most, "window": window}
        limit(f"{what}-{seconds}", str(user.pk), times=most, seconds=seconds, say=said, count=times)


# --- what a smaller plan leaves -------------------------------------------------------------------------------

_resting: list[Callable[[User], tuple[int, int]]] = []


def register_resting(count: Callable[[User], tuple[int, int]]) -> None:
    """Called in an app's `ready()`: how many things of a person are read-only, and how many there are."""
    _resting.append(count)


def standing(user: User) -> PlanLimit | None:
    """What the plan does not hold any more, told on the page of credits; None where it holds everything."""
    resting, owned = (sum(figures) for figures in zip(*(count(user) for count in _resting), strict=True))
    if not resting:
        return None
    say = ngettext(
        "%(n)d style is read-only until your plan holds it. Nothing was deleted: it can be looked at and exported.",
        "%(n)d styles are read-only until your plan holds them. Nothing was deleted: they can be looked at and "
        "exported.",
        resting,
    ) % {"n": resting}
    said = " ".join(part for part in (_ended(user), say) if part)
    return _limit(said, "plan_read_only", lambda plan: plan.max_styles is None or plan.max_styles >= owned)


def _ended(user: User) -> str:
    """Which plan ended, and when, where that is known."""
    entitlement = Entitlement.objects.filter(user=user).first()
    if entitlement is None or entitlement.status in plans.PAID_STATUSES or entitlement.subscribed not in plans.PLANS:
        return ""
    name, ended = plans.PLANS[entitlement.subscribed].name, entitlement.ends_at
    if ended is None or ended > timezone.now():
        return _("%(plan)s has ended.") % {"plan": name}
    return _("%(plan)s ended on %(day)s.") % {"plan": name, "day": date_format(ended, "j F Y")}


# --- the way up -----------------------------------------------------------------------------------------------


def way_up(plan: Plan) -> WayUp:
    """To the pricing page, with the plan marked."""
    label = _("Choose %(plan)s, %(price)s a month") % {"plan": plan.name, "price": plan.price}
    return WayUp(label=label, url=_pricing(plan), offer=plan.lookup_key, plan=plan.slug)


def ways_to_credits(missing: int) -> list[WayUp]:
    """What brings at least as many credits as are missing: the smallest pack that does, and the smallest plan."""
    pack = next((one for one in plans.PACKS if one.credits >= missing), None)
    plan = next((one for one in plans.PLANS.values() if not one.is_free and one.credits >= missing), None)
    ways = []
    if pack:
        label = _("%(n)d credits for %(price)s") % {"n": pack.credits, "price": pack.price}
        ways.append(WayUp(label=label, url=_pricing(pack), offer=pack.lookup_key))
    if plan:
        values = {"plan": plan.name, "n": plan.credits, "price": plan.price}
        label = _("%(plan)s: %(n)d credits a month for %(price)s") % values
        ways.append(WayUp(label=label, url=_pricing(plan), offer=plan.lookup_key, plan=plan.slug))
    return ways


def _limit(say: str, code: str, lifts: Callable[[Plan], bool], *, field: str | None = None) -> PlanLimit:
    """With the way to the smallest paid plan that lifts it."""
    plan = next((one for one in plans.PLANS.values() if not one.is_free and lifts(one)), None)
    return PlanLimit(say, code=code, field=field, ways_up=[way_up(plan)] if plan else [])


def _pricing(offer: Plan | Pack) -> str:
    return reverse("billing:pricing") + "?" + urlencode({"offer": offer.lookup_key})
