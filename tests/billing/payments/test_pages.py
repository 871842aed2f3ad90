"""What a person sees of it: the button, the page that waits, plan and invoices; and the same in the API."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.tokens import create_token
from billing import ledger
from billing.models import Entitlement, Purchase
from billing.payments import checkout
from billing.payments.customers import customer_of
from billing.payments.tasks import sweep
from tests.builders import make_user
from tests.fakes.stripe import StripeDouble

pytestmark = pytest.mark.django_db

Buy = Callable[..., Purchase]
PAGE = "/credits/billing/"


@pytest.fixture
def artist(client: Client) -> User:
    user = make_user()
    client.force_login(user)
    return user


def seen(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


# --- to Checkout and back -------------------------------------------------------------------------------------


def test_the_button_leads_to_checkout_and_remembers_where_one_came_from(
    client: Client, shop: StripeDouble, artist: User
) -> None:
    answer = client.post("/credits/checkout/", {"offer": "pack_50", "next": "/create/?prompt=a+house"})
    visit = Purchase.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, visit.session_url)
    assert visit.came_from == "/create/?prompt=a+house"


def test_htmx_is_led_there_too(client: Client, shop: StripeDouble, artist: User) -> None:
    answer = client.post("/credits/checkout/", {"offer": "pack_50"}, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == Purchase.objects.get().session_url


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil"])
def test_nobody_is_led_elsewhere_afterwards(client: Client, shop: StripeDouble, artist: User, elsewhere: str) -> None:
    client.post("/credits/checkout/", {"offer": "pack_50", "next": elsewhere})
    assert Purchase.objects.get().came_from == ""


def test_who_is_subscribed_is_asked_whether_to_change(client: Client, buy: Buy, artist: User) -> None:
    buy(artist, "plan_starter_month")
    answer = client.post("/credits/checkout/", {"offer": "plan_pro_month"})
    assert answer["Location"] == f"{PAGE}?plan=pro"
    html = seen(client, answer["Location"])
    assert 'id="change-pro" aria-labelledby="change-pro-title" data-open' in html


def test_an_unknown_offer_is_a_sentence(client: Client, shop: StripeDouble, artist: User) -> None:
    answer = client.post("/credits/checkout/", {"offer": "everything"})
    assert answer.status_code == 422
    assert "not on offer" in answer.content.decode()


def test_an_outage_is_a_sentence(client: Client, shop: StripeDouble, artist: User) -> None:
    with shop.outage():
        answer = client.post("/credits/checkout/", {"offer": "pack_50"})
    assert answer.status_code == 503
    assert "Nothing was charged" in answer.content.decode()


def test_coming_back_grants_nothing_and_the_page_waits(client: Client, shop: StripeDouble, artist: User) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    html = seen(client, f"/credits/purchases/{visit.public_id}/")
    assert "your payment is being confirmed" in html
    assert 'hx-trigger="every 2s"' in html
    assert ledger.account_of(artist).available == 0


def test_the_page_goes_on_waiting_without_a_word_while_nothing_is_new(
    client: Client, shop: StripeDouble, artist: User
) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    shop.transport.calls.clear()
    url = f"/credits/purchases/{visit.public_id}/?since=9999999999"
    for _look in range(3):
        assert client.get(url, headers={"HX-Request": "true"}).status_code == 204
    assert shop.transport.calls.count("GET /v1/checkout/sessions") == 1  # it asked once and not at each look


def test_if_the_news_were_lost_the_page_finds_the_money_itself(
    client: Client, shop: StripeDouble, artist: User
) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50", came_from="/create/")
    shop.pay(visit.session_url)
    answer = client.get(f"/credits/purchases/{visit.public_id}/?since=9999999999", headers={"HX-Request": "true"})
    html = answer.content.decode()
    assert "50 credits are here." in html
    assert 'href="/create/"' in html
    assert "hx-get" not in html
    assert 'id="balance" hx-swap-oob="true"' in html
    assert "<html" not in html
    assert ledger.account_of(artist).available == 50


def test_while_stripe_is_silent_the_page_goes_on_waiting(client: Client, shop: StripeDouble, artist: User) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    with shop.outage():
        answer = client.get(f"/credits/purchases/{visit.public_id}/?since=9999999999", headers={"HX-Request": "true"})
    assert answer.status_code == 204


def test_after_some_minutes_it_says_that_it_takes_longer_and_stops(
    client: Client, shop: StripeDouble, artist: User
) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    html = seen(client, f"/credits/purchases/{visit.public_id}/?since=1")
    assert "takes longer than usual" in html
    assert "hx-trigger" not in html


def test_a_visit_that_is_over_says_so(client: Client, shop: StripeDouble, artist: User) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    shop.clock.advance(hours=2)
    shop.deliver()
    sweep()
    assert "This checkout is over." in seen(client, f"/credits/purchases/{visit.public_id}/")


def test_a_purchase_of_somebody_else_does_not_exist(client: Client, shop: StripeDouble, artist: User) -> None:
    visit = checkout.begin(user=make_user(), lookup_key="pack_50")
    assert client.get(f"/credits/purchases/{visit.public_id}/").status_code == 404
    assert client.get(f"/credits/purchases/{uuid.uuid4()}/").status_code == 404


# --- plan and invoices ----------------------------------------------------------------------------------------


def test_without_a_plan_it_leads_to_the_plans(client: Client, shop: StripeDouble, artist: User) -> None:
    html = seen(client, PAGE)
    assert "<strong>Free</strong>" in html
    assert "You have no subscription." in html
    assert "Choose a plan" in html


def test_plan_card_next_payment_and_invoices_are_shown(client: Client, buy: Buy, artist: User) -> None:
    buy(artist, "plan_starter_month")
    buy(artist, "pack_100")
    html = seen(client, PAGE)
    assert "<strong>Starter</strong>" in html
    assert "Starter renews on" in html
    assert "<strong>$9.99</strong>" in html
    assert "</span>4242</strong><p>good until 12/34</p>" in html
    assert "Pack of 100 credits" in html
    assert html.count('paid<span class="only-narrow">') == 2
    assert ">PDF</a>" in html


def test_cancelling_asks_once_and_says_when(client: Client, buy: Buy, artist: User) -> None:
    buy(artist, "plan_starter_month")
    ends = Entitlement.objects.get(user=artist).renews_at
    assert ends is not None
    assert f"Starter goes on until {ends:%-d %B %Y}" in seen(client, PAGE)
    assert client.post("/credits/billing/cancel/")["Location"] == PAGE
    html = seen(client, PAGE)
    assert f"Starter is cancelled and ends on {ends:%-d %B %Y}" in html
    assert "Next payment" not in html
    client.post("/credits/billing/resume/")
    assert "Starter renews on" in seen(client, PAGE)


def test_the_trail_tells_it_in_words(client: Client, buy: Buy, artist: User) -> None:
    buy(artist, "plan_starter_month")
    client.post("/credits/billing/cancel/")
    client.post("/credits/billing/resume/")
    html = seen(client, "/settings/data/")
    assert "Plan cancelled" in html
    assert "Plan resumed" in html


def test_a_change_of_plan_is_offered_with_what_it_means(client: Client, buy: Buy, artist: User) -> None:
    buy(artist, "plan_pro_month")
    html = seen(client, PAGE)
    assert "Go up to Enterprise" in html
    assert "Go down to Starter" in html
    html = client.post("/credits/billing/change/", {"plan": "starter"}, follow=True).content.decode()
    assert "then Starter begins" in html
    assert "Comes next" in html
    assert "Keep it as it is" in html


def test_an_open_payment_is_told_on_every_page_and_can_be_paid(
    client: Client, buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month", card="4000000000000341")
    assert "overdue" not in seen(client, "/credits/")
    shop.clock.advance(days=31.2)
    shop.deliver()
    sweep()
    assert 'class="overdue"' in seen(client, "/credits/")
    html = seen(client, PAGE)
    assert "$9.99 to be paid" in html
    assert "Change the plan" not in html
    assert "Pay now" in html
    assert "to be paid" in html


def test_a_first_payment_that_was_not_finished_can_be_finished(
    client: Client, shop: StripeDouble, artist: User
) -> None:
    customer = customer_of(artist).customer
    method = checkout.stripe_client().v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    price = checkout.price_of("plan_starter_month")["id"]
    params: Any = {"customer": customer, "items": [{"price": price}], "default_payment_method": method.id}
    checkout.stripe_client().v1.subscriptions.create(params | {"off_session": True})
    shop.deliver()
    sweep()
    assert Entitlement.objects.get(user=artist).status == "incomplete"
    answer = client.post("/credits/checkout/", {"offer": "plan_starter_month"}, follow=True)
    html = answer.content.decode()
    assert "The first payment for Starter is not finished." in html
    assert "Pay now" in html
    assert "Choose a plan" not in html


def test_the_portal_is_opened_with_the_way_back(client: Client, buy: Buy, artist: User, shop: StripeDouble) -> None:
    buy(artist, "plan_starter_month")
    answer = client.post("/credits/portal/", {"next": PAGE})
    assert answer["Location"].startswith(shop.url)
    assert next(iter(shop.double.world.store.all("billing_portal.session")))["return_url"].endswith(PAGE)


def test_at_home_there_is_nothing_to_pay(client: Client, settings: Settings) -> None:
    settings.BILLING = False
    client.force_login(make_user())
    assert "everything is free here" in seen(client, PAGE)


def test_with_plans_but_without_a_key_it_offers_nothing(client: Client, settings: Settings) -> None:
    settings.BILLING, settings.STRIPE_SECRET_KEY = True, ""
    client.force_login(make_user())
    html = seen(client, PAGE)
    assert "Choose a plan" not in html
    assert "Add one" not in html
    assert client.post("/credits/portal/").status_code == 409


# --- the API --------------------------------------------------------------------------------------------------


@pytest.fixture
def bearer(artist: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_token(user=artist, name='tests')[1]}"}


def call(path: str, bearer: dict[str, str], body: str = "{}", **headers: str) -> tuple[int, dict[str, object]]:
    answer = Client().post(f"/api/v1/{path}", data=body, content_type="application/json", headers=bearer | headers)
    return answer.status_code, answer.json()


def test_the_api_begins_a_checkout(shop: StripeDouble, artist: User, bearer: dict[str, str]) -> None:
    status, body = call("billing/checkout", bearer, '{"offer": "pack_50"}')
    visit = Purchase.objects.get()
    assert (status, body) == (200, {"url": visit.session_url, "purchase": str(visit.public_id)})


def test_the_api_leads_a_subscriber_to_the_change(buy: Buy, artist: User, bearer: dict[str, str]) -> None:
    buy(artist, "plan_starter_month")
    _status, body = call("billing/checkout", bearer, '{"offer": "plan_pro_month"}')
    assert body == {"url": checkout.absolute("/credits/billing/?plan=pro"), "purchase": None}


def test_the_api_opens_the_portal(buy: Buy, shop: StripeDouble, artist: User, bearer: dict[str, str]) -> None:
    buy(artist, "plan_starter_month")
    _status, body = call("billing/portal", bearer)
    assert str(body["url"]).startswith(shop.url)


def test_the_api_refuses_in_a_sentence(shop: StripeDouble, artist: User, bearer: dict[str, str]) -> None:
    status, body = call("billing/checkout", bearer, '{"offer": "everything"}')
    assert (status, body["type"]) == (422, "about:blank#unknown_offer")


def test_a_change_that_is_not_paid_says_why(client: Client, buy: Buy, artist: User) -> None:
    buy(artist, "plan_starter_month", card="4000000000000341")
    answer = client.post("/credits/billing/change/", {"plan": "pro"})
    assert answer.status_code == 402
    assert "declined" in answer.content.decode()
