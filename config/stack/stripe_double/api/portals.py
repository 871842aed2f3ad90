"""Sessions of the billing portal and what they are configured to offer."""

from __future__ import annotations

from config.stack.stripe_double.api.router import page, route
from config.stack.stripe_double.errors import ApiError, invalid
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World

_FLOWS = ("payment_method_update", "subscription_cancel", "subscription_update", "subscription_update_confirm")


@route("POST", "/v1/billing_portal/sessions")
def create_portal(world: World, params: Params) -> Thing:
    customer, return_url = params.need("customer"), params.text("return_url")
    configuration, locale = params.text("configuration"), params.text("locale")
    flow = params.plain("flow_data")
    params.end()
    world.store.get("customer", customer, param="customer")
    if configuration is not None:
        world.store.get("billing_portal.configuration", configuration, param="configuration")
    if flow is not None and flow.get("type") not in _FLOWS:
        raise invalid("flow_data[type]", f"Invalid flow_data[type]: must be one of {', '.join(_FLOWS)}")
    session_id = new_id("bps")
    return world.store.add(
        {
            "id": session_id,
            "object": "billing_portal.session",
            "configuration": configuration or default_configuration(world)["id"],
            "created": world.now(),
            "customer": customer,
            "customer_account": None,
            "flow": _flow(flow),
            "livemode": False,
            "locale": locale,
            "on_behalf_of": None,
            "return_url": return_url,
            "url": f"{world.base_url}/p/session/{session_id}",
        }
    )


def _flow(given: Thing | None) -> Thing | None:
    if given is None:
        return None
    completion = given.get("after_completion") or {"type": "portal_homepage"}
    return {
        "after_completion": {"hosted_confirmation": None, "redirect": None, **completion},
        "subscription_cancel": given.get("subscription_cancel"),
        "subscription_update": given.get("subscription_update"),
        "subscription_update_confirm": given.get("subscription_update_confirm"),
        "type": given["type"],
    }


def default_configuration(world: World) -> Thing:
    for known in world.store.all("billing_portal.configuration", is_default=True):
        return known
    return _configuration(world, {}, default=True)


@route("POST", "/v1/billing_portal/configurations")
def create_configuration(world: World, params: Params) -> Thing:
    features, profile = params.plain("features") or {}, params.plain("business_profile") or {}
    return_url, metadata = params.text("default_return_url"), params.metadata()
    params.text("name")
    params.end()
    made = _configuration(world, features, default=False)
    made["business_profile"].update(profile)
    made.update(default_return_url=return_url, metadata=metadata)
    return made


@route("POST", "/v1/billing_portal/configurations/{}")
def update_configuration(world: World, params: Params, configuration_id: str) -> Thing:
    configuration = world.store.get("billing_portal.configuration", configuration_id)
    features, profile = params.plain("features") or {}, params.plain("business_profile") or {}
    return_url, metadata = params.text("default_return_url"), params.metadata(configuration["metadata"])
    active = params.flag("active", configuration["active"])
    params.end()
    for name, feature in features.items():
        configuration["features"][name].update(_switched(feature))
    configuration["business_profile"].update(profile)
    configuration.update(metadata=metadata, active=active, updated=world.now())
    configuration["default_return_url"] = return_url or configuration["default_return_url"]
    return configuration


def _switched(feature: Thing) -> Thing:
    return {**feature, "enabled": str(feature.get("enabled", "true")).lower() == "true"}


def _configuration(world: World, features: Thing, *, default: bool) -> Thing:
    known: Thing = {
        "customer_update": {"allowed_updates": [], "enabled": False},
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True, "payment_method_configuration": None},
        "subscription_cancel": {
            "cancellation_reason": {"enabled": False, "options": []},
            "enabled": True,
            "mode": "at_period_end",
            "proration_behavior": "none",
        },
        "subscription_update": {
            "billing_cycle_anchor": None,
            "default_allowed_updates": [],
            "enabled": default,
            "products": None,
            "proration_behavior": "create_prorations" if default else "none",
            "schedule_at_period_end": {"conditions": []},
            "trial_update_behavior": "end_trial",
        },
    }
    for name, feature in features.items():
        if name not in known:
            raise ApiError(f"Received unknown parameter: features[{name}]", code="parameter_unknown", param="features")
        known[name].update(_switched(feature))
    return world.store.add(
        {
            "id": new_id("bpc"),
            "object": "billing_portal.configuration",
            "active": True,
            "application": None,
            "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
            "created": world.now(),
            "default_return_url": None,
            "features": known,
            "is_default": default,
            "livemode": False,
            "login_page": {"enabled": False, "url": None},
            "metadata": {},
            "name": None,
            "updated": world.now(),
        }
    )


@route("GET", "/v1/billing_portal/configurations")
def list_configurations(world: World, params: Params) -> Thing:
    found = list(world.store.all("billing_portal.configuration"))
    for name in ("active", "is_default"):
        if name in params:
            wanted = params.flag(name)
            found = [configuration for configuration in found if configuration[name] == wanted]
    return page(world, params, "/v1/billing_portal/configurations", found, dated=False)


@route("GET", "/v1/billing_portal/configurations/{}")
def get_configuration(world: World, params: Params, configuration_id: str) -> Thing:
    params.end()
    return world.store.get("billing_portal.configuration", configuration_id)
