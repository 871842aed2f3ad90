"""The double's pages, by HTTP as a browser asks for them, and its JSON twin; and that it outlives a restart."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import stripe

from config.stack.servers import free_port
from config.stack.state import ROOT
from config.stack.stripe_double.pages.html import NOTICE
from tests.fakes.stripe import KEY, StripeDouble

NO_REDIRECT = type("NoRedirect", (urllib.request.HTTPRedirectHandler,), {"redirect_request": lambda *_: None})()
_OPENER = urllib.request.build_opener(NO_REDIRECT)


def ask(url: str, fields: dict[str, Any] | None = None, **headers: str) -> tuple[int, str, str]:
    """Status, body, and where it leads."""
    data = None if fields is None else urllib.parse.urlencode(fields).encode()
    try:
        answer = _OPENER.open(urllib.request.Request(url, data=data, headers=headers), timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return int(answer.status), answer.read().decode(errors="replace"), answer.headers.get("Location") or ""


def command(url: str, verb: str, **fields: Any) -> Any:
    request = urllib.request.Request(
        f"{url}/double/{verb}", data=json.dumps(fields).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


@pytest.fixture
def price(stripe_double: StripeDouble) -> Any:
    return stripe.Price.create(
        currency="usd", unit_amount=1000, product_data={"name": "Starter <i>"}, recurring={"interval": "month"}
    )


@pytest.fixture
def visit(stripe_double: StripeDouble, price: Any) -> Any:
    return stripe.checkout.Session.create(
        mode="subscription",
        customer=stripe.Customer.create(email="ada@example.com").id,
        line_items=[{"price": price.id, "quantity": 1}],
        success_url="https://example.com/done?session={CHECKOUT_SESSION_ID}",
        cancel_url="https://example.com/back",
        allow_promotion_codes=True,
    )


def _buyer(**more: str) -> dict[str, str]:
    return {"do": "pay", "email": "ada@example.com", "card": "4242 4242 4242 4242", **more}


def test_the_checkout_page_shows_what_is_bought_and_leads_back_paid(visit: Any) -> None:
    status, body, _ = ask(visit.url)
    assert status == 200
    assert NOTICE in body
    assert "Starter &lt;i&gt;" in body
    assert "$10.00 a month" in body
    status, _, where = ask(visit.url, _buyer())
    assert (status, where) == (303, f"https://example.com/done?session={visit.id}")
    assert "This is paid" in ask(visit.url)[1]
    assert ask(visit.url, {"do": "back"})[0] == 200


def test_the_checkout_page_says_what_is_wrong(visit: Any) -> None:
    for fields, said in (
        (_buyer(card="4000000000009995"), "insufficient funds"),
        (_buyer(card="1234"), "not one of the test cards"),
        (_buyer(email="nobody"), "email address is missing"),
        ({"do": "code", "code": "<none>"}, "This code is invalid"),
    ):
        status, body, _ = ask(visit.url, fields)
        assert status == 200
        assert 'role="alert">' in body
        assert said in body
    assert stripe.checkout.Session.retrieve(visit.id).status == "open"
    assert ask(visit.url, {"do": "back"})[2] == "https://example.com/back"


def test_the_bank_asks_on_a_page_of_its_own(visit: Any) -> None:
    status, _, where = ask(visit.url, _buyer(card="4000002500003155"))
    assert (status, where) == (303, f"{visit.url}/confirm")
    assert "Your bank asks" in ask(where)[1]
    assert "unable to authenticate" in ask(where, {"do": "refuse"})[1]
    assert ask(where, {"do": "confirm"})[2].startswith("https://example.com/done")
    assert stripe.checkout.Session.retrieve(visit.id).payment_status == "paid"


def test_an_expired_visit_cannot_be_paid(visit: Any) -> None:
    stripe.checkout.Session.expire(visit.id)
    assert "has expired" in ask(visit.url)[1]
    assert "has expired" in ask(visit.url, _buyer())[1]
    assert stripe.Charge.list().data == []


def test_the_portal_cancels_keeps_switches_and_takes_another_card(
    stripe_double: StripeDouble, visit: Any, price: Any
) -> None:
    stripe_double.pay(visit)
    pro = stripe.Price.create(
        currency="usd", unit_amount=3000, product_data={"name": "Pro"}, recurring={"interval": "month"}
    )
    portal = stripe.billing_portal.Session.create(customer=visit.customer, return_url="https://example.com/billing")
    subscription = stripe.Subscription.list().data[0]

    def press(**fields: str) -> Any:
        status, body, where = ask(portal.url, {"subscription": subscription.id, **fields})
        assert (status, where) == (303, portal.url), body
        return stripe.Subscription.retrieve(subscription.id)

    body = ask(portal.url)[1]
    assert "https://example.com/billing" in body
    assert "Visa ending in 4242" in body
    end = subscription["items"].data[0].current_period_end
    cancelled = press(do="cancel")
    assert (cancelled.cancel_at, cancelled.cancel_at_period_end) == (end, False)
    assert press(do="keep").cancel_at is None
    assert press(do="switch", price=pro.id)["items"].data[0].price.id == pro.id
    changed = press(do="card", card="5555 5555 5555 4444")
    method = stripe.PaymentMethod.retrieve(changed.default_payment_method)
    assert method.card is not None
    assert method.card.brand == "mastercard"
    assert "insufficient funds" in ask(portal.url, {"do": "card", "card": "4000000000009995"})[1]


def test_a_stranger_changes_nothing_in_a_portal(stripe_double: StripeDouble, visit: Any) -> None:
    stripe_double.pay(visit)
    subscription = stripe.Subscription.list().data[0]
    portal = stripe.billing_portal.Session.create(customer=stripe.Customer.create().id)
    body = ask(portal.url, {"do": "cancel", "subscription": subscription.id})[1]
    assert "not your subscription" in body
    assert stripe.Subscription.retrieve(subscription.id).cancel_at is None


def test_an_invoice_has_a_page_a_file_and_a_receipt(stripe_double: StripeDouble, visit: Any) -> None:
    stripe_double.pay(visit, "4000000000000341")
    stripe_double.clock.advance(days=33)
    opened = stripe.Invoice.list(status="open").data[0]
    assert opened.hosted_invoice_url is not None
    assert opened.invoice_pdf is not None
    assert "Pay $10.00" in ask(opened.hosted_invoice_url)[1]
    assert ask(opened.hosted_invoice_url, {"card": "4242424242424242"})[2] == opened.hosted_invoice_url
    assert stripe.Invoice.retrieve(opened.id).status == "paid"
    assert ask(opened.invoice_pdf)[1].startswith("%PDF-1.4")
    charge = stripe.Charge.list().data[0]
    assert charge.receipt_url is not None
    assert "$10.00" in ask(charge.receipt_url)[1]


def test_the_control_page_and_its_json_do_the_same(stripe_double: StripeDouble, visit: Any) -> None:
    url = stripe_double.url
    command(url, "pay", session=visit.url, card="4242424242424242")
    before = stripe_double.clock.now()
    assert ask(f"{url}/double/clock", {"days": "1"})[2].startswith("/double/?said=")
    assert command(url, "clock", hours=1)["now"] - before >= 25 * 3600
    charge = stripe.Charge.list().data[0].id
    assert command(url, "refund", charge=charge, amount=100)["refund"]["amount"] == 100
    opened = command(url, "dispute", charge=charge)["dispute"]["id"]
    assert command(url, "dispute", dispute=opened, won=False)["dispute"]["status"] == "lost"
    body = ask(f"{url}/double/")[1]
    assert "charge.dispute.closed" in body
    assert "dispute lost" in body
    command(url, "outage", on=True)
    with pytest.raises(stripe.APIError):
        stripe.Charge.list()
    command(url, "outage", on=False)
    command(url, "settings", after_retries="unpaid", tax_percent=7)
    assert stripe_double.settings.after_retries == "unpaid"


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("clock", {}),
        ("clock", {"days": "soon"}),
        ("refund", {"charge": "ch_none"}),
        ("settings", {"after_retries": "x"}),
    ],
)
def test_a_wrong_command_is_said(stripe_double: StripeDouble, verb: str, fields: dict[str, str]) -> None:
    status, body, _ = ask(f"{stripe_double.url}/double/{verb}", fields, Accept="application/json")
    assert status in (400, 404)
    assert json.loads(body)["error"]["message"]
    assert "problem=" in ask(f"{stripe_double.url}/double/{verb}", fields)[2]


def test_another_site_cannot_press_its_buttons(stripe_double: StripeDouble) -> None:
    status, _, _ = ask(f"{stripe_double.url}/double/clock", {"days": "1"}, Origin="https://example.com")
    assert status == 403
    assert stripe_double.double.world.clock.ahead == 0


def test_no_page_has_scripts_or_inline_styles(stripe_double: StripeDouble, visit: Any) -> None:
    for url in (visit.url, f"{stripe_double.url}/double/"):
        with urllib.request.urlopen(url) as answer:
            body = answer.read().decode()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert re.findall(r"<script|\sstyle=|\son\w+=|javascript:", body) == []


def test_it_goes_on_after_a_kill_where_it_was(tmp_path: Path) -> None:
    state, port = tmp_path / "state.json", free_port()

    def start() -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "config.stack.stripe_double", "--port", str(port), "--state", str(state)]
        env = {**os.environ, "STRIPE_SECRET_KEY": KEY}
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                ask(f"http://127.0.0.1:{port}/double/style.css")
                return process
            except OSError:
                time.sleep(0.05)
        raise TimeoutError

    client = stripe.StripeClient(KEY, base_addresses={"api": f"http://127.0.0.1:{port}"})
    process = start()
    try:
        made = client.v1.customers.create({"email": "ada@example.com"}, {"idempotency_key": "one"})
        command(f"http://127.0.0.1:{port}", "clock", days=3)
        later = client.v1.customers.create({"email": "bob@example.com"}, {"idempotency_key": "two"})
        process.kill()
        process.wait()
        process = start()
        assert client.v1.customers.retrieve(made.id).email == "ada@example.com"
        assert client.v1.customers.create({"email": "bob@example.com"}, {"idempotency_key": "two"}).id == later.id
        shown = command(f"http://127.0.0.1:{port}", "state")
        assert (shown["ahead"], len(shown["deliveries"])) == (3 * 86400, 2)
        assert state.stat().st_mode & 0o777 == 0o600
        process.terminate()
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
