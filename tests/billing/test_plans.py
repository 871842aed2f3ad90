"""The catalogue, what it sells, and who has which plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.models import AuditEntry, Notification
from billing import catalogue, plans
from billing.models import Entitlement
from config.kit.errors import Refusal
from tests.builders import make_user

# --- the file -------------------------------------------------------------------------------------------------


def broken(folder: Path, old: str, new: str) -> str:
    """What is said of the catalogue with one passage replaced."""
    text = catalogue.FILE.read_text()
    assert old in text
    path = folder / "catalogue.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(catalogue.CatalogueError) as error:
        catalogue.read(path)
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("max_steps = 20", 'max_steps = "many"', "catalogue.toml, plans.free.max_steps: "),
        ("max_steps = 20", "max_steps = 0", "catalogue.toml, plans.free.max_steps: "),
        ("max_steps = 20\n", "", "catalogue.toml, plans.free.max_steps: Field required"),
        ("max_steps = 20", "max_stepps = 20\nmax_steps = 20", "catalogue.toml, plans.free.max_stepps: "),
        ('queue = "first"', 'queue = "last"', "catalogue.toml, plans.pro.queue: "),
        ("minute = 20, hour = 200", "minute = 20, hour = 2", "plans.free.rates.submit: Value error, an hour holds"),
        ("rollover = 300", "rollover = 301", "plans.starter.rollover: at most a month's credits (300) stay"),
        ("cents_a_month = 2999", "cents_a_month = 99", "plans: they stand from the cheapest to the dearest"),
        ("cents_a_month = 2999", "cents_a_month = 0", "plans: exactly one costs nothing"),
        ('queue = "priority"', 'queue = "standard"\nmax_style = 1', "plans.starter.max_style: "),
        ('price = "upscale"', 'price = "upscaling"', "tools.4.price: “upscaling” (upscale) is not among [prices]"),
        ("credits = 100", "credits = 50", "packs: they stand from the smallest to the largest"),
        (
            "visible_mark = true\nvideo = false",
            "visible_mark = true\nvideo = true",
            "plans.free.video: a plan that marks",
        ),
        ("cents = 499", "cents = 4", "catalogue.toml, packs.0.cents: "),
        ("[home]", "[homes]", "catalogue.toml, home: Field required"),
        ("[plans.free]", "[plans.free", "catalogue.toml: "),
    ],
)
def test_a_slip_in_the_file_is_named_with_its_field(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in broken(tmp_path, old, new)


def test_the_file_that_ships_is_whole() -> None:
    assert list(catalogue.read().plans) == ["free", "starter", "pro", "enterprise"]


def test_the_file_is_told_from_another_one_by_its_plans_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(catalogue.FILE.read_text().replace("max_styles = 5", "max_styles = 7"))
    assert catalogue.read(path).plans["starter"].max_styles == 7


# --- what is sold ---------------------------------------------------------------------------------------------


def test_everything_that_costs_money_is_sold_under_a_name_of_its_own() -> None:
    assert list(plans.OFFERS) == [
        "plan_starter_month",
        "plan_pro_month",
        "plan_enterprise_month",
        "pack_50",
        "pack_100",
        "pack_250",
    ]
    assert plans.offer("plan_pro_month") is plans.PLANS["pro"]
    assert plans.offer("pack_100") is plans.PACKS[1]


@pytest.mark.parametrize("key", ["", "plan_free_month", "plan_home_month", "pack_1", "price_1"])
def test_what_is_not_sold_is_refused_with_a_sentence(key: str) -> None:
    with pytest.raises(Refusal, match="not on offer"):
        plans.offer(key)


def test_a_paid_plan_keeps_a_months_credits_and_free_keeps_none() -> None:
    assert [(plan.credits, plan.rollover) for plan in plans.PLANS.values()] == [
        (50, 0),
        (300, 300),
        (1200, 1200),
        (5000, 5000),
    ]


@pytest.mark.parametrize(
    ("a", "b", "larger"),
    [
        ("", "", "free"),
        ("free", "starter", "starter"),
        ("pro", "starter", "pro"),
        ("pro", "enterprise", "enterprise"),
        ("withdrawn", "", "free"),
        ("", "withdrawn", "free"),
        ("home", "starter", "starter"),
    ],
)
def test_the_larger_of_two_plans(a: str, b: str, larger: str) -> None:
    assert plans.better(a, b) == larger == plans.better(b, a)


# --- who has which --------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_staff_give_a_plan_and_take_it_back() -> None:
    artist, staff = make_user(), make_user(is_staff=True)
    given = plans.give_plan(user=artist, plan="pro", actor=staff, reason="wrote our first tutorial")
    assert (given.given, given.plan) == ("pro", "pro")
    plans.give_plan(user=artist, plan="", actor=staff, reason="the year is over")
    entitlement = Entitlement.objects.get(user=artist)
    assert (entitlement.given, entitlement.plan) == ("", "free")
    entries = AuditEntry.objects.filter(target=artist.public_id, verb__startswith="plan.").order_by("pk")
    assert [(entry.verb, entry.actor, entry.detail["reason"]) for entry in entries] == [
        ("plan.give", staff, "wrote our first tutorial"),
        ("plan.take_back", staff, "the year is over"),
    ]
    told = Notification.objects.filter(user=artist, kind="billing.plan").order_by("pk")
    assert ["Pro" in told[0].title, "Free" in told[1].title, len(told)] == [True, True, 2]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "given", "counts"),
    [
        ("active", "starter", "pro"),
        ("active", "enterprise", "enterprise"),
        ("trialing", "", "pro"),
        ("past_due", "", "pro"),
        ("unpaid", "starter", "starter"),
        ("canceled", "", "free"),
        ("incomplete", "", "free"),
        ("paused", "", "free"),
    ],
)
def test_what_is_given_and_what_is_subscribed_stand_beside_each_other(status: str, given: str, counts: str) -> None:
    artist = make_user()
    Entitlement.objects.create(user=artist, subscription="sub_1", status=status, subscribed="pro")
    assert plans.give_plan(user=artist, plan=given, actor=None, reason="a test of both").plan == counts


@pytest.mark.django_db
@pytest.mark.parametrize(("plan", "reason", "said"), [("free", "why", "can be given"), ("pro", " ", "Say why")])
def test_nothing_is_given_that_cannot_be_or_without_a_reason(plan: str, reason: str, said: str) -> None:
    artist = make_user()
    with pytest.raises(Refusal, match=said):
        plans.give_plan(user=artist, plan=plan, actor=None, reason=reason)
    assert not Entitlement.objects.filter(user=artist).exists()
