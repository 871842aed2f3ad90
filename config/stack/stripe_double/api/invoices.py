"""Invoices and what pays them."""

from __future__ import annotations

from config.stack.stripe_double.api.router import filtered, page, route
from config.stack.stripe_double.engine import invoicing, subscriptions
from config.stack.stripe_double.errors import ApiError, required
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World


@route("GET", "/v1/invoices/{}")
def get_invoice(world: World, params: Params, invoice_id: str) -> Thing:
    params.end()
    return world.store.get("invoice", invoice_id)


@route("GET", "/v1/invoices")
def list_invoices(world: World, params: Params) -> Thing:
    subscription = params.text("subscription")
    found = filtered(world, params, "invoice", "customer", "status", "collection_method")
    if subscription is not None:
        found = [
            invoice
            for invoice in found
            if invoice["parent"] and invoice["parent"]["subscription_details"]["subscription"] == subscription
        ]
    return page(world, params, "/v1/invoices", found)


@route("GET", "/v1/invoices/{}/lines")
def list_lines(world: World, params: Params, invoice_id: str) -> Thing:
    invoice = world.store.get("invoice", invoice_id)
    return page(
        world, params, f"/v1/invoices/{invoice_id}/lines", invoice["lines"]["data"], oldest_first=True, dated=False
    )


@route("POST", "/v1/invoices/{}")
def update_invoice(world: World, params: Params, invoice_id: str) -> Thing:
    invoice = world.store.get("invoice", invoice_id)
    metadata = params.metadata(invoice["metadata"])
    description = params.text("description", invoice["description"])
    advance = params.flag("auto_advance", bool(invoice["auto_advance"]))
    params.end()
    with world.changing(invoice, "invoice.updated"):
        invoice.update(metadata=metadata, description=description, auto_advance=advance)
        if advance and invoice["status"] == "draft" and invoice["automatically_finalizes_at"] is None:
            invoice["automatically_finalizes_at"] = world.now() + invoicing.DRAFT_FOR
    return invoice


@route("POST", "/v1/invoices/{}/finalize")
def finalize_invoice(world: World, params: Params, invoice_id: str) -> Thing:
    params.flag("auto_advance")
    params.end()
    invoice = world.store.get("invoice", invoice_id)
    invoicing.finalize(world, invoice)
    return invoice


@route("POST", "/v1/invoices/{}/pay")
def pay_invoice(world: World, params: Params, invoice_id: str) -> Thing:
    method_id, off_session, elsewhere = (
        params.text("payment_method"), params.flag("off_session", True), params.flag("paid_out_of_band")
    )  # fmt: skip
    params.end()
    invoice = world.store.get("invoice", invoice_id)
    if invoice["status"] == "paid":
        raise ApiError("Invoice is already paid", code="invoice_already_paid")
    if elsewhere:
        raise ApiError("The double knows of no payment outside it.", param="paid_out_of_band")
    if invoice["status"] == "draft":
        invoicing.finalize(world, invoice)
    method = world.store.get("payment_method", method_id, param="payment_method") if method_id else None
    if not subscriptions.collect_and_follow(world, invoice, method=method, present=not off_session):
        raise _declined(world, invoice)
    return invoice


def _declined(world: World, invoice: Thing) -> ApiError:
    intent = invoicing.intent_of(world, invoice)
    error = (intent or {}).get("last_payment_error")
    if not error:
        return ApiError("This customer has no attached payment source or default payment method.", param="customer")
    return ApiError(
        error["message"], status=402, kind="card_error", code=error["code"], decline_code=error.get("decline_code")
    )


@route("POST", "/v1/invoices/{}/void")
def void_invoice(world: World, params: Params, invoice_id: str) -> Thing:
    params.end()
    invoice = world.store.get("invoice", invoice_id)
    invoicing.void(world, invoice)
    return invoice


@route("POST", "/v1/invoices/{}/mark_uncollectible")
def write_off_invoice(world: World, params: Params, invoice_id: str) -> Thing:
    params.end()
    invoice = world.store.get("invoice", invoice_id)
    invoicing.write_off(world, invoice)
    return invoice


@route("GET", "/v1/invoice_payments")
def list_invoice_payments(world: World, params: Params) -> Thing:
    found = filtered(world, params, "invoice_payment", "invoice", "status")
    level = params.inside("payment")
    kind, intent = level.text("type"), level.text("payment_intent")
    if intent is not None:
        if kind != "payment_intent":
            raise required("payment[type]")
        found = [payment for payment in found if payment["payment"]["payment_intent"] == intent]
    return page(world, params, "/v1/invoice_payments", found)


@route("GET", "/v1/invoice_payments/{}")
def get_invoice_payment(world: World, params: Params, payment_id: str) -> Thing:
    params.end()
    return world.store.get("invoice_payment", payment_id)
