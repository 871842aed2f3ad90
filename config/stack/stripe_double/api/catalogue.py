"""Products and prices."""

from __future__ import annotations

from config.stack.stripe_double.api.router import filtered, page, route
from config.stack.stripe_double.errors import ApiError, invalid, required
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World

_LIKE_PRODUCT = ("description", "url", "statement_descriptor", "unit_label", "tax_code")


@route("POST", "/v1/products")
def create_product(world: World, params: Params) -> Thing:
    given = {name: params.text(name) for name in _LIKE_PRODUCT}
    name, product_id = params.need("name"), params.text("id") or new_id("prod", 14)
    active, metadata, images = params.flag("active", True), params.metadata(), params.texts("images")
    shippable = params.flag("shippable") if "shippable" in params else None
    features = [{"name": feature.text("name")} for feature in params.each("marketing_features")]
    default = _new_price(params.inside("default_price_data")) if "default_price_data" in params else None
    params.end()
    if world.store.find(product_id) is not None:
        raise ApiError(f"Product already exists: {product_id}", code="resource_already_exists", param="id")
    product = make_product(world, name, product_id=product_id, active=active, metadata=metadata, **given)
    product.update(images=images, shippable=shippable, marketing_features=features)
    world.emit("product.created", product)
    if default is not None:
        product["default_price"] = _add_price(world, {**default, "product": product_id})["id"]
    return product


def make_product(world: World, name: str, *, product_id: str | None = None, **fields: object) -> Thing:
    return world.store.add(
        {
            "id": product_id or new_id("prod", 14),
            "object": "product",
            "active": True,
            "created": world.now(),
            "default_price": None,
            "description": None,
            "images": [],
            "livemode": False,
            "marketing_features": [],
            "metadata": {},
            "name": name,
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": None,
            "tax_code": None,
            "type": "service",
            "unit_label": None,
            "updated": world.now(),
            "url": None,
            **fields,
        }
    )


@route("POST", "/v1/products/{}")
def update_product(world: World, params: Params, product_id: str) -> Thing:
    product = world.store.get("product", product_id)
    given: Thing = {name: params.text(name) for name in (*_LIKE_PRODUCT, "name", "default_price") if name in params}
    if "active" in params:
        given["active"] = params.flag("active")
    if "images" in params:
        given["images"] = params.texts("images")
    if "marketing_features" in params:
        given["marketing_features"] = [{"name": entry.text("name")} for entry in params.each("marketing_features")]
    metadata = params.metadata(product["metadata"])
    params.end()
    if given.get("default_price"):
        world.store.get("price", given["default_price"], param="default_price")
    with world.changing(product, "product.updated"):
        product.update(given, metadata=metadata, updated=world.now())
    return product


@route("GET", "/v1/products/{}")
def get_product(world: World, params: Params, product_id: str) -> Thing:
    params.end()
    return world.store.get("product", product_id)


@route("DELETE", "/v1/products/{}")
def delete_product(world: World, params: Params, product_id: str) -> Thing:
    params.end()
    product = world.store.get("product", product_id)
    if any(world.store.all("price", product=product_id)):
        raise ApiError("This product cannot be deleted because it has one or more user-created prices.")
    world.store.remove(product)
    return {"id": product_id, "object": "product", "deleted": True}


@route("GET", "/v1/products")
def list_products(world: World, params: Params) -> Thing:
    found, ids = filtered(world, params, "product", "url"), params.texts("ids")
    if "active" in params:
        active = params.flag("active")
        found = [product for product in found if product["active"] == active]
    if ids:
        found = [product for product in found if product["id"] in ids]
    return page(world, params, "/v1/products", found)


@route("GET", "/v1/products/{}/features")
def list_features(world: World, params: Params, product_id: str) -> Thing:
    world.store.get("product", product_id)
    return page(world, params, f"/v1/products/{product_id}/features", [], dated=False)


@route("POST", "/v1/prices")
def create_price(world: World, params: Params) -> Thing:
    data = params.inside("product_data") if "product_data" in params else None
    product_name = data.need("name") if data else None
    product_fields: Thing = {"metadata": data.metadata(), "active": data.flag("active", True)} if data else {}
    given = _new_price(params, own=True)
    lookup_key, transfer = params.text("lookup_key"), params.flag("transfer_lookup_key")
    product = None if data else params.need("product")
    params.end()
    if product is not None:
        world.store.get("product", product, param="product")
    _free_lookup_key(world, lookup_key, transfer=transfer)
    if product_name is not None:
        product = make_product(world, product_name, **product_fields)["id"]
    return _add_price(world, {**given, "product": product, "lookup_key": lookup_key})


def _new_price(params: Params, *, own: bool = False) -> Thing:
    """The fields of a price, from its own parameters or from `price_data`."""
    currency = params.need("currency").lower()
    amount, decimal = params.number("unit_amount", least=0), params.text("unit_amount_decimal")
    if amount is None and decimal is None:
        raise required(params.name_of("unit_amount"))
    recurring = None
    if "recurring" in params:
        level = params.inside("recurring")
        recurring = {
            "interval": level.one_of("interval", "day", "week", "month", "year", default=level.need("interval")),
            "interval_count": level.number("interval_count", 1, least=1),
            "meter": None,
            "trial_period_days": level.number("trial_period_days"),
            "usage_type": level.one_of("usage_type", "licensed", default="licensed"),
        }
    given = {
        "currency": currency,
        "unit_amount": amount if amount is not None else round(float(decimal or 0)),
        "unit_amount_decimal": decimal or str(amount),
        "recurring": recurring,
        "tax_behavior": params.one_of("tax_behavior", "inclusive", "exclusive", "unspecified", default="unspecified"),
    }
    if own:
        given |= {
            "active": params.flag("active", True),
            "nickname": params.text("nickname"),
            "metadata": params.metadata(),
            "billing_scheme": params.one_of("billing_scheme", "per_unit", default="per_unit"),
        }
    return given


def _add_price(world: World, given: Thing) -> Thing:
    price = world.store.add(
        {
            "id": new_id("price"),
            "object": "price",
            "active": True,
            "billing_scheme": "per_unit",
            "created": world.now(),
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "recurring" if given["recurring"] else "one_time",
            **given,
        }
    )
    world.emit("price.created", price)
    return price


def _free_lookup_key(world: World, lookup_key: str | None, *, transfer: bool) -> None:
    """A key names one active price; it goes over to another one only if that is asked for."""
    if lookup_key is None:
        return
    for holder in world.store.all("price", lookup_key=lookup_key):
        if not transfer:
            raise ApiError(
                f"A price (`{holder['id']}`) already uses that lookup key.",
                code="resource_already_exists",
                param="lookup_key",
            )
        with world.changing(holder, "price.updated"):
            holder["lookup_key"] = None


def price_from_data(world: World, params: Params, *, need_recurring: bool | None = None) -> Thing:
    """A price made on the spot, for one session or subscription."""
    given = _new_price(params)
    product = params.text("product")
    data = params.inside("product_data") if "product_data" in params else None
    if data is not None:
        name, description, metadata = data.need("name"), data.text("description"), data.metadata()
        data.texts("images")
        product = make_product(world, name, description=description, metadata=metadata, active=False)["id"]
    if product is None:
        raise required(params.name_of("product"))
    world.store.get("product", product, param=params.name_of("product"))
    if need_recurring and given["recurring"] is None:
        raise required(params.name_of("recurring"))
    return _add_price(world, {**given, "product": product, "active": False})


@route("POST", "/v1/prices/{}")
def update_price(world: World, params: Params, price_id: str) -> Thing:
    price = world.store.get("price", price_id)
    given: Thing = {}
    if "active" in params:
        given["active"] = params.flag("active")
    if "nickname" in params:
        given["nickname"] = params.text("nickname")
    if "tax_behavior" in params:
        given["tax_behavior"] = params.one_of("tax_behavior", "inclusive", "exclusive", default="exclusive")
    lookup_key, transfer = params.text("lookup_key"), params.flag("transfer_lookup_key")
    metadata, keyed = params.metadata(price["metadata"]), "lookup_key" in params
    params.end()
    if given.get("tax_behavior") and price["tax_behavior"] not in ("unspecified", given["tax_behavior"]):
        raise invalid("tax_behavior", "You cannot change the tax behavior of a price once it is set.")
    if keyed:
        if lookup_key != price["lookup_key"]:
            _free_lookup_key(world, lookup_key, transfer=transfer)
        given["lookup_key"] = lookup_key
    with world.changing(price, "price.updated"):
        price.update(given, metadata=metadata)
    return price


@route("GET", "/v1/prices/{}")
def get_price(world: World, params: Params, price_id: str) -> Thing:
    params.end()
    return world.store.get("price", price_id)


@route("GET", "/v1/prices")
def list_prices(world: World, params: Params) -> Thing:
    found = filtered(world, params, "price", "product", "type", "currency")
    keys, recurring = params.texts("lookup_keys"), params.inside("recurring")
    interval = recurring.text("interval")
    if len(keys) > 10:
        raise invalid("lookup_keys", "You can pass at most 10 lookup keys.")
    if "lookup_keys" in params:
        found = [price for price in found if price["lookup_key"] in keys]
    if "active" in params:
        active = params.flag("active")
        found = [price for price in found if price["active"] == active]
    if interval:
        found = [price for price in found if price["recurring"] and price["recurring"]["interval"] == interval]
    return page(world, params, "/v1/prices", found)
