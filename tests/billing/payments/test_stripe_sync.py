"""`manage.py stripe_sync`: Stripe has what the catalogue has, and only when told."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from billing import plans
from billing.payments import checkout
from tests.fakes.stripe import StripeDouble

pytestmark = pytest.mark.django_db


def sync(*arguments: str) -> str:
    out = StringIO()
    call_command("stripe_sync", *arguments, stdout=out, no_color=True)
    return out.getvalue()


def on_sale(shop: StripeDouble) -> dict[str, int]:
    active = [one for one in shop.double.world.store.all("price") if one["active"]]
    return {one["lookup_key"]: one["unit_amount"] for one in active}


def test_without_apply_it_says_what_differs_and_changes_nothing(stripe_double: StripeDouble) -> None:
    said = sync()
    assert "plan_pro_month" in said
    assert "$29.99 a month" in said
    assert "Nothing was changed" in said
    assert on_sale(stripe_double) == {}


def test_everything_is_on_sale_afterwards_and_a_second_time_there_is_nothing_to_do(stripe_double: StripeDouble) -> None:
    assert "Done: 12 changes." in sync("--apply")
    assert on_sale(stripe_double) == {
        "plan_starter_month": 999,
        "plan_pro_month": 2999,
        "plan_enterprise_month": 9900,
        "pack_50": 499,
        "pack_100": 899,
        "pack_250": 1999,
    }
    for again in (sync("--apply"), sync()):
        assert again == "Nothing to do: Stripe has what the catalogue has.\n"


def test_another_price_takes_the_lookup_key_over_and_the_old_one_goes_out_of_sale(
    shop: StripeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checkout.price_of("plan_pro_month")
    dearer = plans.PLANS["pro"].model_copy(update={"cents_a_month": 3499})
    monkeypatch.setitem(plans.OFFERS, "plan_pro_month", dearer)
    said = sync("--apply")
    assert "$29.99 a month" in said
    assert "$34.99 a month" in said
    now = checkout.price_of("plan_pro_month")
    assert (now["unit_amount"], now["product"]) == (3499, before["product"])
    assert shop.double.world.store.get("price", before["id"])["active"] is False
    assert "Nothing to do" in sync("--apply")


def test_what_is_no_longer_offered_goes_out_of_sale(shop: StripeDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(plans.OFFERS, "pack_250")
    assert "off sale" in sync("--apply")
    assert "pack_250" not in on_sale(shop)
    assert "Nothing to do" in sync("--apply")


def test_a_name_that_was_changed_is_put_right(shop: StripeDouble) -> None:
    product = checkout.price_of("pack_50")["product"]
    checkout.stripe_client().v1.products.update(product, {"name": "Something else"})
    assert "Something else" in sync("--apply")
    assert shop.double.world.store.get("product", product)["name"] == "50 ArtistCloner credits"


def test_a_product_that_it_did_not_make_is_left_alone(shop: StripeDouble) -> None:
    client = checkout.stripe_client().v1
    product = client.products.create({"name": "A book"})
    client.prices.create({"product": product.id, "currency": "usd", "unit_amount": 1500})
    assert "Nothing to do" in sync("--apply")
    assert shop.double.world.store.get("product", product.id)["active"] is True


def test_a_lookup_key_on_a_strangers_product_is_told_and_not_taken(stripe_double: StripeDouble) -> None:
    client = checkout.stripe_client().v1
    product = client.products.create({"name": "A book"})
    price: Any = {"product": product.id, "currency": "usd", "unit_amount": 499, "lookup_key": "pack_50"}
    client.prices.create(price)
    with pytest.raises(CommandError, match="not made by stripe_sync"):
        sync("--apply")
    assert on_sale(stripe_double) == {"pack_50": 499}


def test_without_a_key_it_says_which_is_missing(settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = ""
    with pytest.raises(CommandError, match="STRIPE_SECRET_KEY"):
        sync()


def test_an_outage_is_a_sentence(stripe_double: StripeDouble) -> None:
    with stripe_double.outage(), pytest.raises(CommandError, match="Stripe answered"):
        sync()
