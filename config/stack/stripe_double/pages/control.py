"""The control page: move the clock, hold back and misdeliver news, refund, dispute, and see what was answered."""

from __future__ import annotations

from config.stack.stripe_double.double import Double
from config.stack.stripe_double.pages.html import (
    Page,
    Request,
    amount,
    button,
    card_table,
    esc,
    frame,
    moment,
    problem,
)
from config.stack.stripe_double.pages.portal import state
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World

_SHOWN = 40  # of the newest news
_STATES = {"delivered": "good", "waiting": "warn", "lost": "bad", "given up": "bad"}


def show(double: Double, request: Request) -> Page:
    with double.changing() as world:
        said = request.query.get("said", "")
        body = f"""
<h1>Control page</h1>
{problem(request.query.get("problem", ""))}{f'<p class="said" role="status">{esc(said)}</p>' if said else ""}
{_clock(world)}{_subscriptions(world)}{_charges(world)}{_courier(double)}{_settings(world)}
<section><h2>Test cards</h2>{card_table(debits=True)}</section>
"""
        return frame("Control page", body, wide=True)


def _clock(world: World) -> str:
    ahead = world.clock.ahead
    said = f"{ahead / 86400:g} days ahead of this machine's clock" if ahead else "as this machine's clock"
    steps = (("An hour", 1), ("A day", 24), ("A week", 7 * 24), ("31 days", 31 * 24))
    buttons = "".join(button(f"+ {label}", "/double/clock", hours=hours) for label, hours in steps)
    return f"""
<section><h2>Clock</h2><p><strong>{moment(world.now())}</strong> <span class="soft">UTC, {said}</span></p>
<div class="row">{buttons}
<form method="post" action="/double/clock">
<input name="days" type="number" min="0" step="any" aria-label="Days" value="3">
<button>Move on by days</button></form></div>
<p class="soft">Renewals, retries and what ends are done on the way, each at its time. It never goes back.</p></section>
"""


def _courier(double: Double) -> str:
    store = double.world.store
    rows = ""
    for delivery in store.deliveries[: -_SHOWN - 1 : -1]:
        event = store.get("event", delivery["event"])
        answers = ", ".join(str(attempt["status"] or "no answer") for attempt in delivery["attempts"][-5:]) or "–"
        last = delivery["attempts"][-1]["said"] if delivery["attempts"] else ""
        again = button("Send", "/double/deliver", order=event["id"])
        if delivery["state"] != "waiting":
            again = button("Replay", "/double/replay", event=event["id"])
        rows += (
            f"<tr><td>{moment(event['created'])}</td><td>{esc(event['type'])}<br><code>{esc(event['id'])}</code></td>"
            f'<td><span class="state {_STATES[delivery["state"]]}">{esc(delivery["state"])}</span></td>'
            f'<td title="{esc(last)}">{esc(answers)}</td><td>{again}</td></tr>'
        )
    waiting = len(double.courier.waiting())
    held = double.courier.held
    losing = bool(double.courier.losing)
    buttons = "".join(
        (
            button("Let news go out" if held else "Hold news back", "/double/hold", on=str(not held).lower()),
            button(f"Send the {waiting} waiting", "/double/deliver"),
            button("… in reverse", "/double/reorder"),
            button("… shuffled", "/double/reorder", order="shuffled"),
            button("… twice each", "/double/deliver", times=2),
            button("Lose the waiting", "/double/lose", kind="bad"),
            button(
                "Stop losing all news" if losing else "Lose all news from now",
                "/double/lose",
                kinds="*",
                on=str(not losing).lower(),
            ),
            button("Replay all", "/double/replay"),
            button(
                "End the outage" if double.down else "API outage", "/double/outage", on=str(not double.down).lower()
            ),
        )
    )
    table = (
        "<table><thead><tr><th>Time</th><th>News</th><th>State</th><th>Answers</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        if rows
        else '<p class="soft">Nothing has happened yet.</p>'
    )
    return f"""
<section><h2>News (webhooks)</h2><p class="soft">To {esc(double.courier.webhook or "nowhere")};
{"held back" if held else "sent at once"}, {waiting} waiting.</p>
<div class="row">{buttons}</div><div class="scroll">{table}</div></section>
"""


def _subscriptions(world: World) -> str:
    rows = ""
    for subscription in list(world.store.all("subscription"))[:-21:-1]:
        customer = world.store.get("customer", subscription["customer"])
        item = subscription["items"]["data"][0]
        price = world.store.get("price", item["price"])
        name = world.store.get("product", price["product"])["name"]
        until = subscription["cancel_at"] or item["current_period_end"]
        fails = button("Card fails later", "/double/card", customer=customer["id"], card="4000000000000341")
        works = button("Card works", "/double/card", customer=customer["id"], card="4242424242424242")
        rows += (
            f"<tr><td>{esc(customer.get('email') or customer['id'])}<br><code>{esc(subscription['id'])}</code></td>"
            f"<td>{esc(name)}</td><td>{state(subscription['status'])}</td>"
            f"<td>{'ends' if subscription['cancel_at'] else 'renews'} {moment(until)}</td>"
            f'<td><div class="row">{fails}{works}</div></td></tr>'
        )
    return _table("Subscriptions", ("Who", "Plan", "Status", "Next", ""), rows)


def _charges(world: World) -> str:
    rows = ""
    disputes = {opened["charge"]: opened for opened in world.store.all("dispute")}
    for charge in list(world.store.all("charge"))[:-21:-1]:
        rows += (
            f"<tr><td>{moment(charge['created'])}<br><code>{esc(charge['id'])}</code></td>"
            f"<td class='right'>{amount(charge['amount'], charge['currency'])}</td><td>{state(charge['status'])}"
            f"{' refunded' if charge['refunded'] else ''}</td>"
            f'<td><div class="row">{_charge_buttons(charge, disputes.get(charge["id"]))}</div></td></tr>'
        )
    return _table("Payments", ("Time", "Amount", "Status", ""), rows)


def _charge_buttons(charge: Thing, opened: Thing | None) -> str:
    if opened is not None and opened["status"] in ("won", "lost"):
        return f"dispute {opened['status']}"
    if opened is not None:
        return button("Dispute won", "/double/dispute", dispute=opened["id"], won="true") + button(
            "Dispute lost", "/double/dispute", dispute=opened["id"], won="false"
        )
    if not charge["paid"] or charge["refunded"]:
        return ""
    return "".join(
        (
            button("Refund", "/double/refund", charge=charge["id"]),
            button("Refund half", "/double/refund", charge=charge["id"], amount=charge["amount"] // 2),
            button("Dispute", "/double/dispute", charge=charge["id"]),
        )
    )


def _settings(world: World) -> str:
    options = "".join(
        f'<option value="{word}"{" selected" if word == world.settings.after_retries else ""}>{word}</option>'
        for word in ("cancel", "unpaid", "past_due")
    )
    percent = f"{world.settings.tax_percent:g}"
    return f"""
<section><h2>Settings</h2><form method="post" action="/double/settings"><div class="row">
<div><label for="tax">Tax in %</label>
<input id="tax" name="tax_percent" type="number" min="0" max="99" step="any" value="{percent}"></div>
<div><label for="after">After the last failed retry</label>
<select id="after" name="after_retries">{options}</select></div>
<button>Keep</button></div></form></section>
"""


def _table(title: str, heads: tuple[str, ...], rows: str) -> str:
    head = "".join(f"<th{' class=right' if one == 'Amount' else ''}>{esc(one)}</th>" for one in heads)
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<section><h2>{title}</h2><div class="scroll">{body if rows else "None yet."}</div></section>'
