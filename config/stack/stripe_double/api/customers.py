"""Customers, their ways to pay, and setup intents."""

from __future__ import annotations

from config.stack.stripe_double.api.router import filtered, page, route
from config.stack.stripe_double.engine import subscriptions
from config.stack.stripe_double.engine.cards import NAMED, attach, card_numbered, card_of, make_method, refusal
from config.stack.stripe_double.engine.customers import make_customer
from config.stack.stripe_double.errors import ApiError, missing
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World

_FIELDS = ("email", "name", "description", "phone", "tax_exempt")


def _fields(world: World, params: Params) -> Thing:
    given: Thing = {name: params.text(name) for name in _FIELDS if name in params}
    for name in ("address", "shipping"):
        if name in params:
            given[name] = params.plain(name)
    if "preferred_locales" in params:
        given["preferred_locales"] = params.texts("preferred_locales")
    if "balance" in params:
        given["balance"] = params.number("balance", 0)
    return given


def _default_method(world: World, params: Params) -> str | None:
    method = params.inside("invoice_settings").text("default_payment_method")
    if method is not None:
        world.store.get("payment_method", method, param="invoice_settings[default_payment_method]")
    return method


@route("POST", "/v1/customers")
def create_customer(world: World, params: Params) -> Thing:
    given, metadata = _fields(world, params), params.metadata()
    method, clock = params.text("payment_method"), params.text("test_clock")
    default = _default_method(world, params) if "invoice_settings" in params else None
    params.end()
    given = {"tax_exempt": "none", "email": None, "name": None, **given}
    customer = make_customer(world, **given, metadata=metadata, test_clock=clock)
    if method is not None:
        attach(world, _method(world, method), customer["id"])
    customer["invoice_settings"]["default_payment_method"] = default
    return customer


def find_customer(world: World, customer_id: str) -> Thing:
    """The customer; a deleted one can be read and no more."""
    return world.store.get("customer", customer_id)


@route("GET", "/v1/customers/{}")
def get_customer(world: World, params: Params, customer_id: str) -> Thing:
    params.end()
    return find_customer(world, customer_id)


@route("POST", "/v1/customers/{}")
def update_customer(world: World, params: Params, customer_id: str) -> Thing:
    customer = find_customer(world, customer_id)
    if customer.get("deleted"):
        raise missing("customer", customer_id, status=404)
    given, metadata = _fields(world, params), params.metadata(customer["metadata"])
    settings = dict(customer["invoice_settings"])
    if "invoice_settings" in params:
        settings["default_payment_method"] = _default_method(world, params)
    params.end()
    with world.changing(customer, "customer.updated"):
        customer.update(given, metadata=metadata, invoice_settings=settings)
    return customer


@route("DELETE", "/v1/customers/{}")
def delete_customer(world: World, params: Params, customer_id: str) -> Thing:
    params.end()
    customer = find_customer(world, customer_id)
    for subscription in world.store.all("subscription", customer=customer_id):
        if subscription["status"] not in subscriptions.ENDED:
            subscriptions.end_now(world, subscription, reason="cancellation_requested")
    for method in world.store.all("payment_method", customer=customer_id):
        method["customer"] = None
    world.emit("customer.deleted", customer)
    world.store.remove(customer)
    gone = {"id": customer_id, "object": "customer", "deleted": True}
    return world.store.add(gone)


@route("GET", "/v1/customers")
def list_customers(world: World, params: Params) -> Thing:
    found = filtered(world, params, "customer", "email", "test_clock")
    return page(world, params, "/v1/customers", [customer for customer in found if not customer.get("deleted")])


@route("POST", "/v1/payment_methods")
def create_method(world: World, params: Params) -> Thing:
    kind = params.one_of("type", "card", default="card")
    level, billing = params.inside(kind), params.inside("billing_details")
    token = level.text("token")
    number = {"tok_visa": "4242424242424242", "tok_mastercard": "5555555555554444"}.get(token or "")
    number = number or level.need("number")
    for ignored in ("exp_month", "exp_year", "cvc"):
        level.text(ignored)
    email, name, metadata = billing.text("email"), billing.text("name"), params.metadata()
    params.end()
    method = make_method(world, card_numbered(number), email=email, name=name)
    method["metadata"] = metadata
    return method


def _method(world: World, method_id: str) -> Thing:
    """A payment method; the names of the test cards make a new one, as they do at Stripe."""
    if method_id in NAMED:
        return make_method(world, card_numbered(NAMED[method_id]))
    return world.store.get("payment_method", method_id, param="payment_method")


@route("GET", "/v1/payment_methods/{}")
def get_method(world: World, params: Params, method_id: str) -> Thing:
    params.end()
    return world.store.get("payment_method", method_id)


@route("POST", "/v1/payment_methods/{}/attach")
def attach_method(world: World, params: Params, method_id: str) -> Thing:
    customer = params.need("customer")
    params.end()
    world.store.get("customer", customer, param="customer")
    method = _method(world, method_id)
    card = card_of(world, method)
    if card.refuses:
        raise refusal(card.refuses)
    attach(world, method, customer)
    return method


@route("POST", "/v1/payment_methods/{}/detach")
def detach_method(world: World, params: Params, method_id: str) -> Thing:
    params.end()
    method = world.store.get("payment_method", method_id)
    if method["customer"] is None:
        raise ApiError(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_unexpected_state",
        )
    customer = world.store.get("customer", method["customer"])
    before = {"customer": method["customer"]}
    method["customer"] = None
    if customer["invoice_settings"]["default_payment_method"] == method_id:
        with world.changing(customer, "customer.updated"):
            customer["invoice_settings"] = {**customer["invoice_settings"], "default_payment_method": None}
    for subscription in world.store.all("subscription", default_payment_method=method_id):
        with world.changing(subscription, "customer.subscription.updated"):
            subscription["default_payment_method"] = None
    world.emit("payment_method.detached", method, before=before)
    return method


@route("GET", "/v1/payment_methods")
def list_methods(world: World, params: Params) -> Thing:
    return page(
        world, params, "/v1/payment_methods", filtered(world, params, "payment_method", "customer", "type"), dated=False
    )


@route("GET", "/v1/customers/{}/payment_methods")
def list_methods_of(world: World, params: Params, customer_id: str) -> Thing:
    find_customer(world, customer_id)
    kind = params.text("type")
    found = world.store.all("payment_method", customer=customer_id)
    chosen = [method for method in found if kind in (None, method["type"])]
    return page(world, params, f"/v1/customers/{customer_id}/payment_methods", chosen, dated=False)


@route("GET", "/v1/customers/{}/payment_methods/{}")
def get_method_of(world: World, params: Params, customer_id: str, method_id: str) -> Thing:
    params.end()
    method = world.store.get("payment_method", method_id)
    if method["customer"] != customer_id:
        raise missing("PaymentMethod", method_id, status=404)
    return method


@route("POST", "/v1/setup_intents")
def create_setup(world: World, params: Params) -> Thing:
    customer, method = params.text("customer"), params.text("payment_method")
    usage = params.one_of("usage", "off_session", "on_session", default="off_session")
    confirm, metadata = params.flag("confirm"), params.metadata()
    kinds = params.texts("payment_method_types") or ["card"]
    params.plain("automatic_payment_methods")
    params.end()
    if customer is not None:
        world.store.get("customer", customer, param="customer")
    setup_id = new_id("seti")
    setup = world.store.add(
        {
            "id": setup_id,
            "object": "setup_intent",
            "application": None,
            "automatic_payment_methods": None,
            "cancellation_reason": None,
            "client_secret": f"{setup_id}_secret_{new_id('x')[2:]}",
            "created": world.now(),
            "customer": customer,
            "customer_account": None,
            "description": None,
            "excluded_payment_method_types": None,
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "livemode": False,
            "mandate": None,
            "metadata": metadata,
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": kinds,
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": usage,
        }
    )
    world.emit("setup_intent.created", setup)
    if method is not None and confirm:
        set_up(world, setup, _method(world, method))
    return setup


def set_up(world: World, setup: Thing, method: Thing) -> None:
    """The card is checked and kept for later payments."""
    reason = card_of(world, method).refuses
    if reason:
        setup["last_setup_error"] = refusal(reason).body
        world.emit("setup_intent.setup_failed", setup)
        raise refusal(reason)
    if setup["customer"] is not None:
        attach(world, method, setup["customer"])
    setup.update(status="succeeded", payment_method=method["id"])
    world.emit("setup_intent.succeeded", setup)


@route("POST", "/v1/setup_intents/{}/confirm")
def confirm_setup(world: World, params: Params, setup_id: str) -> Thing:
    method = params.need("payment_method")
    params.end()
    setup = world.store.get("setup_intent", setup_id)
    set_up(world, setup, _method(world, method))
    return setup


@route("GET", "/v1/setup_intents/{}")
def get_setup(world: World, params: Params, setup_id: str) -> Thing:
    params.end()
    return world.store.get("setup_intent", setup_id)


@route("GET", "/v1/setup_intents")
def list_setups(world: World, params: Params) -> Thing:
    return page(world, params, "/v1/setup_intents", filtered(world, params, "setup_intent", "customer"))
