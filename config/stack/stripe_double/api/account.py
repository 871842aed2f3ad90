"""The account itself, its events, its webhook endpoints, and test clocks."""

from __future__ import annotations

from config.stack.stripe_double.api.router import page, route
from config.stack.stripe_double.engine import due
from config.stack.stripe_double.errors import invalid
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import ACCOUNT, World


@route("GET", "/v1/account")
def get_own_account(world: World, params: Params) -> Thing:
    params.end()
    return {
        "id": ACCOUNT,
        "object": "account",
        "business_profile": {"name": "The double (no money moves)", "support_email": None, "url": None},
        "business_type": None,
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "created": 1_600_000_000,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "double@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {"decline_on": {"avs_failure": False, "cvc_failure": False}},
            "dashboard": {"display_name": "The double", "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": "DOUBLE, NO MONEY"},
        },
        "type": "standard",
    }


@route("GET", "/v1/accounts/{}")
def get_account(world: World, params: Params, account_id: str) -> Thing:
    if account_id != ACCOUNT:
        raise invalid("account", f"The double is one account: {ACCOUNT}")
    return get_own_account(world, params)


@route("GET", "/v1/events/{}")
def get_event(world: World, params: Params, event_id: str) -> Thing:
    params.end()
    return world.store.get("event", event_id)


@route("GET", "/v1/events")
def list_events(world: World, params: Params) -> Thing:
    kinds, kind = params.texts("types"), params.text("type")
    success = params.text("delivery_success")
    found = list(world.store.all("event"))
    if kind is not None:
        found = [e for e in found if e["type"] == kind or (kind.endswith(".*") and e["type"].startswith(kind[:-1]))]
    if kinds:
        found = [event for event in found if event["type"] in kinds]
    if success is not None:
        delivered = {d["event"] for d in world.store.deliveries if d["state"] == "delivered"}
        found = [event for event in found if (event["id"] in delivered) == (success == "true")]
    return page(world, params, "/v1/events", found)


@route("POST", "/v1/webhook_endpoints")
def create_endpoint(world: World, params: Params) -> Thing:
    url, events = params.need("url"), params.texts("enabled_events")
    description, metadata, version = params.text("description"), params.metadata(), params.text("api_version")
    params.end()
    endpoint = make_endpoint(world, url, events=events or ["*"], description=description, metadata=metadata)
    endpoint["api_version"] = version
    secret = f"whsec_{new_id('x', 32)[2:]}"
    world.store.behind_of(endpoint["id"])["secret"] = secret
    return {**endpoint, "secret": secret}


def make_endpoint(world: World, url: str, *, events: list[str], **fields: object) -> Thing:
    return world.store.add(
        {
            "id": new_id("we"),
            "object": "webhook_endpoint",
            "api_version": None,
            "application": None,
            "created": world.now(),
            "description": None,
            "enabled_events": events,
            "livemode": False,
            "metadata": {},
            "status": "enabled",
            "url": url,
            **fields,
        }
    )


@route("GET", "/v1/webhook_endpoints/{}")
def get_endpoint(world: World, params: Params, endpoint_id: str) -> Thing:
    params.end()
    return world.store.get("webhook_endpoint", endpoint_id)


@route("GET", "/v1/webhook_endpoints")
def list_endpoints(world: World, params: Params) -> Thing:
    return page(world, params, "/v1/webhook_endpoints", world.store.all("webhook_endpoint"), dated=False)


@route("POST", "/v1/test_helpers/test_clocks")
def create_clock(world: World, params: Params) -> Thing:
    frozen, name = params.number("frozen_time"), params.text("name")
    params.end()
    return world.store.add(
        {
            "id": new_id("clock"),
            "object": "test_helpers.test_clock",
            "created": world.now(),
            "deletes_after": world.now() + 30 * 86400,
            "frozen_time": max(frozen or 0, world.now()),
            "livemode": False,
            "name": name,
            "status": "ready",
            "status_details": {},
        }
    )


@route("POST", "/v1/test_helpers/test_clocks/{}/advance")
def advance_clock(world: World, params: Params, clock_id: str) -> Thing:
    """The double has one clock for everybody: this moves it."""
    frozen = params.number("frozen_time")
    params.end()
    clock = world.store.get("test_helpers.test_clock", clock_id)
    if frozen is None or frozen <= clock["frozen_time"]:
        raise invalid("frozen_time", "The time must be after the clock's current one.")
    due.pass_time(world, max(frozen - world.now(), 0))
    clock["frozen_time"] = frozen
    return clock


@route("GET", "/v1/test_helpers/test_clocks/{}")
def get_clock(world: World, params: Params, clock_id: str) -> Thing:
    params.end()
    return world.store.get("test_helpers.test_clock", clock_id)
