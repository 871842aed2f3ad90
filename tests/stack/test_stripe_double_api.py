"""The double's REST API, asked by Stripe's own library: lists, expansion, errors, idempotency, keys."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.fakes.stripe import KEY, StripeDouble


@pytest.fixture
def starter(stripe_double: StripeDouble) -> Any:
    return stripe.Price.create(
        currency="usd",
        unit_amount=999,
        product_data={"name": "Starter"},
        recurring={"interval": "month"},
        lookup_key="plan_starter_month",
    )


def _client(double: StripeDouble, key: str = KEY) -> stripe.StripeClient:
    """A client that comes by HTTP."""
    return stripe.StripeClient(key, base_addresses={"api": double.url}, http_client=stripe.RequestsClient())


def test_lists_are_cut_into_pages_newest_first(stripe_double: StripeDouble) -> None:
    made = [stripe.Customer.create(name=str(number)).id for number in range(7)]
    first = stripe.Customer.list(limit=3)
    assert [one.id for one in first.data] == made[:3:-1]
    assert first.has_more
    last = stripe.Customer.list(limit=3, starting_after=made[2])
    assert ([one.id for one in last.data], last.has_more) == ([made[1], made[0]], False)
    before = stripe.Customer.list(limit=2, ending_before=made[0])
    assert [one.id for one in before.data] == [made[2], made[1]]
    assert [one.id for one in stripe.Customer.list(limit=2).auto_paging_iter()] == made[::-1]


def test_lists_are_filtered_by_time(stripe_double: StripeDouble) -> None:
    old = stripe.Customer.create(name="old")
    stripe_double.clock.advance(days=2)
    new = stripe.Customer.create(name="new")
    since = stripe_double.clock.now() - 86400
    assert [one.id for one in stripe.Customer.list(created={"gte": since}).data] == [new.id]
    assert [one.id for one in stripe.Customer.list(created={"lt": since}).data] == [old.id]


def test_prices_are_found_by_lookup_key_and_the_key_moves(stripe_double: StripeDouble, starter: Any) -> None:
    def found() -> list[str]:
        return [one.id for one in stripe.Price.list(lookup_keys=["plan_starter_month"], active=True).data]

    assert found() == [starter.id]
    again: dict[str, Any] = {"currency": "usd", "unit_amount": 1099, "product": starter.product}
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        stripe.Price.create(lookup_key="plan_starter_month", **again)
    moved = stripe.Price.create(lookup_key="plan_starter_month", transfer_lookup_key=True, **again)
    assert found() == [moved.id]
    assert stripe.Price.retrieve(starter.id).lookup_key is None


def test_what_is_expanded_is_whole(stripe_double: StripeDouble, starter: Any) -> None:
    customer = stripe.Customer.create(email="ada@example.com")
    session = stripe.checkout.Session.create(
        mode="subscription",
        customer=customer.id,
        line_items=[{"price": starter.id, "quantity": 1}],
        success_url="https://example.com/",
    )
    stripe_double.pay(session)
    found: Any = stripe.checkout.Session.retrieve(
        session.id, expand=["customer", "line_items.data.price.product", "subscription.latest_invoice.payments"]
    )
    assert found.customer.email == "ada@example.com"
    assert found.line_items.data[0].price.product.name == "Starter"
    payment = found.subscription.latest_invoice.payments.data[0].payment
    assert stripe.PaymentIntent.retrieve(payment.payment_intent).amount_received == 999
    paid: Any = stripe.InvoicePayment.list(payment={"type": "payment_intent", "payment_intent": payment.payment_intent})
    assert [one.invoice for one in paid.data] == [found.invoice]


def test_what_is_gone_from_this_version_cannot_be_expanded(stripe_double: StripeDouble, starter: Any) -> None:
    stripe.Subscription.create(
        customer=stripe.Customer.create().id, items=[{"price": starter.id}], payment_behavior="default_incomplete"
    )
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        stripe.Invoice.list(expand=["data.payment_intent"])
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        stripe.Invoice.list(expand=["data.parent.a.b.c.d.e"])


REFUSALS: list[tuple[str, Callable[[], Any], dict[str, Any]]] = [
    ("missing", lambda: stripe.Customer.retrieve("cus_nobody"), {"http_status": 404, "code": "resource_missing"}),
    ("unknown", lambda: stripe.Customer.create(colour="red"), {"code": "parameter_unknown", "param": "colour"}),  # type: ignore[call-arg]
    ("needed", lambda: stripe.Price.create(unit_amount=1), {"code": "parameter_missing", "param": "currency"}),  # type: ignore[call-arg]
    ("limit", lambda: stripe.Customer.list(limit=101), {"http_status": 400, "param": "limit"}),
    ("number", lambda: stripe.Customer.list(limit="many"), {"code": "parameter_invalid_integer"}),  # type: ignore[arg-type]
    (
        "reference",
        lambda: stripe.billing_portal.Session.create(customer="cus_nobody"),
        {"http_status": 400, "code": "resource_missing", "param": "customer"},
    ),
    ("address", lambda: stripe.Topup.list(), {"http_status": 404}),
]


@pytest.mark.parametrize(("call", "facts"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_refusals_have_stripes_shape(
    stripe_double: StripeDouble, call: Callable[[], Any], facts: dict[str, Any]
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        call()
    assert {name: getattr(refused.value, name) for name in facts} == facts
    assert refused.value.error is not None
    assert refused.value.error.type == "invalid_request_error"
    assert refused.value.request_id is not None
    assert refused.value.request_id.startswith("req_")


def test_a_session_is_refused_with_the_reason(stripe_double: StripeDouble, starter: Any) -> None:
    def create(**params: Any) -> Any:
        given = {"line_items": [{"price": starter.id, "quantity": 1}], "success_url": "https://example.com/"}
        return stripe.checkout.Session.create(**{"mode": "subscription", **given, **params})

    with pytest.raises(stripe.InvalidRequestError, match="passed a recurring price"):
        create(mode="payment")
    with pytest.raises(stripe.InvalidRequestError, match="at least 30 minutes"):
        create(expires_at=stripe_double.clock.now() + 60)
    with pytest.raises(stripe.InvalidRequestError, match="No such price"):
        create(line_items=[{"price": "price_none", "quantity": 1}])
    stripe.Price.modify(starter.id, active=False)
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        create()


def test_a_key_is_needed_and_has_to_be_the_right_one(stripe_double: StripeDouble) -> None:
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided"):
        _client(stripe_double, "sk_test_wrong00000000000000000000").v1.customers.list()


def test_the_same_idempotency_key_answers_the_same(stripe_double: StripeDouble) -> None:
    first = stripe.Customer.create(email="ada@example.com", idempotency_key="one")
    again = stripe.Customer.create(email="ada@example.com", idempotency_key="one")
    assert again.id == first.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.last_response.headers
    assert len(stripe.Customer.list().data) == 1
    with pytest.raises(stripe.IdempotencyError):
        stripe.Customer.create(email="bob@example.com", idempotency_key="one")


def test_an_idempotency_key_is_forgotten_after_a_day(stripe_double: StripeDouble) -> None:
    first = stripe.Customer.create(idempotency_key="one")
    stripe_double.clock.advance(days=2)
    assert stripe.Customer.create(idempotency_key="one").id != first.id


def test_a_decline_is_kept_under_its_key_and_a_refused_parameter_is_not(
    stripe_double: StripeDouble, starter: Any
) -> None:
    customer = stripe.Customer.create()
    asked: dict[str, Any] = {
        "customer": customer.id,
        "items": [{"price": starter.id}],
        "payment_behavior": "error_if_incomplete",
        "idempotency_key": "one",
    }
    with pytest.raises(stripe.CardError):
        stripe.Subscription.create(**asked)
    method = stripe.PaymentMethod.attach("pm_card_visa", customer=customer.id)
    stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": method.id})
    with pytest.raises(stripe.CardError):
        stripe.Subscription.create(**asked)
    assert stripe.Subscription.create(**{**asked, "idempotency_key": "two"}).status == "active"
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Customer.create(name="x", idempotency_key="three", colour="red")  # type: ignore[call-arg]
    assert stripe.Customer.create(name="x", idempotency_key="three").name == "x"


def test_it_answers_by_http_as_in_process(stripe_double: StripeDouble) -> None:
    client = _client(stripe_double)
    made = client.v1.customers.create({"email": "ada@example.com", "metadata": {"user": "1"}})
    answer = client.v1.customers.retrieve(made.id, {}, {"stripe_version": "2026-05-27.dahlia"})
    assert answer.to_dict() == stripe.Customer.retrieve(made.id).to_dict()
    assert answer.last_response.headers["Stripe-Version"] == "2026-05-27.dahlia"


def test_many_at_once_with_one_key_make_one_thing(stripe_double: StripeDouble) -> None:
    client = _client(stripe_double)
    made: list[str] = []

    def ask() -> None:
        made.append(client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "one"}).id)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(set(made))) == (12, 1)


def test_an_outage_is_one_and_ends(stripe_double: StripeDouble) -> None:
    with stripe_double.outage():
        with pytest.raises(stripe.APIError) as refused:
            stripe.Customer.list()
        assert refused.value.http_status == 503
    assert stripe.Customer.list().data == []


def test_metadata_is_merged_and_emptied(stripe_double: StripeDouble) -> None:
    customer = stripe.Customer.create(metadata={"a": "1", "b": "2"})
    changed = stripe.Customer.modify(customer.id, metadata={"b": "", "c": "3"})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"a": "1", "c": "3"}
    emptied = stripe.Customer.modify(customer.id, metadata="")
    assert emptied.metadata is not None
    assert emptied.metadata.to_dict() == {}


def test_a_deleted_customer_is_still_known_as_deleted(stripe_double: StripeDouble, starter: Any) -> None:
    customer = stripe.Customer.create()
    method = stripe.PaymentMethod.attach("pm_card_visa", customer=customer.id)
    subscription = stripe.Subscription.create(
        customer=customer.id, items=[{"price": starter.id}], default_payment_method=method.id
    )
    stripe.Customer.delete(customer.id)
    assert stripe.Customer.retrieve(customer.id).deleted
    assert stripe.Subscription.retrieve(subscription.id).status == "canceled"
    assert stripe.Customer.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        stripe.Customer.modify(customer.id, name="x")
