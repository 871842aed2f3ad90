"""A plan from its limit to its end: refused, bought, used, cancelled, and what is left; at Stripe's double."""

from __future__ import annotations

import html
import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from billing import allowance, ledger
from billing.models import Purchase
from billing.payments import subscriptions
from billing.payments.tasks import sweep
from gallery import addresses
from gallery.models import Artwork
from styles.queries import read_only_ids
from tests.builders import make_style, make_user
from tests.fakes.stripe import StripeDouble, stripe_double
from tests.gallery.hanging import make_artwork

__all__ = ["stripe_double"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(stripe_double: StripeDouble, monkeypatch: pytest.MonkeyPatch) -> StripeDouble:
    monkeypatch.setattr("billing.payments.bell._bell.ring", lambda: None)
    call_command("stripe_sync", "--apply", verbosity=0, stdout=StringIO())
    stripe_double.deliver(lose=["*"])
    return stripe_double


@pytest.fixture
def artist() -> User:
    return make_user()


@pytest.fixture
def browser(artist: User) -> Client:
    browser = Client()
    browser.force_login(artist)
    return browser


def news(shop: StripeDouble) -> None:
    shop.deliver()
    sweep()


def press(browser: Client, page: str, offer: str) -> str:
    """Press the button of that offer on a page; where it leads."""
    text = html.unescape(browser.get(page).content.decode())
    form = re.search(rf'<form[^>]*action="([^"]*)"[^>]*>(?:(?!</form>).)*value="{offer}"(?:(?!</form>).)*', text)
    assert form, offer
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form.group(0)))
    answer = browser.post(form.group(1), fields)
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def test_who_runs_out_buys_what_suffices_and_goes_on_where_they_were(
    shop: StripeDouble, artist: User, browser: Client
) -> None:
    at = "http://testserver/create/?style=none"
    refused = html.unescape(browser.post("/create/", {"prompt": "a fox"}, headers={"referer": at}).content.decode())
    way = re.search(r'href="(/credits/pricing/\?offer=pack_50[^"]*)"', refused)
    assert way
    shop.pay(press(browser, way.group(1), "pack_50"))
    news(shop)
    visit = Purchase.objects.get(user=artist)
    assert (visit.state, visit.came_from) == (Purchase.State.PAID, "/create/?style=none")
    waiting = html.unescape(browser.get(f"/credits/purchases/{visit.public_id}/").content.decode())
    assert 'href="/create/?style=none"' in waiting
    assert ledger.account_of(artist).available == 50
    assert browser.post("/create/", {"prompt": "a fox", "count": "1"}).status_code == 302


def test_a_plan_lifts_every_limit_and_its_end_keeps_everything(
    shop: StripeDouble, artist: User, browser: Client, tmp_path: Path
) -> None:
    first = make_style(artist)
    picture = make_artwork(tmp_path, artist)

    def leaves() -> str:
        return addresses.file_key(Artwork.objects.owned_by(artist).get(pk=picture.pk))

    assert leaves().endswith("-marked.png")
    way = allowance.told_before(lambda: allowance.allow_another_style(artist, owned=1))
    assert way is not None
    assert way.way_up is not None
    shop.pay(press(browser, way.way_up.url, "plan_starter_month"))
    news(shop)
    assert allowance.allowance_of(artist).plan == "starter"
    assert leaves() == picture.key  # clean at once
    second = make_style(artist, name="Second")
    assert not read_only_ids(artist)

    subscriptions.cancel(user=artist)
    news(shop)
    assert allowance.allowance_of(artist).plan == "starter"  # until its month is over
    shop.clock.advance(days=32)
    news(shop)
    assert allowance.allowance_of(artist).plan == "free"
    assert leaves().endswith("-marked.png")
    assert read_only_ids(artist) == {first.pk}
    page = browser.get("/credits/").content.decode()
    assert "Starter has ended." in page  # no day: the double's clock is ahead of ours
    assert "1 style is read-only until your plan holds it." in page
    assert second.name in browser.get(f"/styles/{second.public_id}/").content.decode()
