"""The double's news: signed as Stripe signs, sent until they are taken, and misdelivered when asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from config.stack.stripe_double.double import Double
from config.stack.stripe_double.pages.commands import COMMANDS
from tests.fakes.stripe import KEY, SECRET, StripeDouble


class Receiver:
    """A webhook of its own: keeps what it accepts, and refuses as often as told."""

    def __init__(self) -> None:
        self.refuse = 0
        self.taken: list[Any] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.refuse -= 1
                if receiver.refuse >= 0:
                    self.send_error(500)
                    return
                event = stripe.Webhook.construct_event(body, self.headers["Stripe-Signature"], SECRET)
                receiver.taken.append(event)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Tests are quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def sending(receiver: Receiver) -> Double:
    """A double that has news of three customers for the receiver."""
    double = Double(base_url="http://localhost:1", key=KEY, secret=SECRET, webhook=receiver.url)
    for name in ("a", "b", "c"):
        headers = {"Authorization": f"Bearer {KEY}"}
        assert double.answer("POST", "/v1/customers", "", f"name={name}", headers).status == 200
    return double


def _states(double: Double) -> list[str]:
    return [delivery["state"] for delivery in double.world.store.deliveries]


def test_the_library_accepts_the_signature_and_no_other(stripe_double: StripeDouble) -> None:
    stripe.Customer.create(name="ada")
    body, signature = stripe_double.signed(stripe_double.events[0])
    event = stripe.Webhook.construct_event(body, signature, SECRET)
    assert (event.type, event.data.object["name"]) == ("customer.created", "ada")
    for forged, header, secret in (
        (body.replace(b"ada", b"eve"), signature, SECRET),
        (body, signature, "whsec_other"),
        (body, signature.replace("v1=", "v0="), SECRET),
        (body, f"t={int(time.time()) - 400},{signature.partition(',')[2]}", SECRET),
    ):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(forged, header, secret)


def test_an_event_names_the_request_that_made_it(stripe_double: StripeDouble) -> None:
    made = stripe.Customer.create(name="ada", idempotency_key="one")
    event = stripe.Event.list(type="customer.created").data[0]
    assert event["request"].to_dict() == {"id": made.last_response.request_id, "idempotency_key": "one"}
    assert stripe.Event.retrieve(event.id).data.object["id"] == made.id
    stripe.Customer.modify(made.id, name="eve")
    update = stripe.Event.list(types=["customer.updated"]).data[0]
    assert update.data.previous_attributes is not None
    assert update.data.previous_attributes.to_dict() == {"name": "ada"}


def test_news_go_out_by_themselves_in_order(sending: Double, receiver: Receiver) -> None:
    assert sending.courier.deliver_due() == 3
    assert [event.data.object["name"] for event in receiver.taken] == ["a", "b", "c"]
    assert _states(sending) == ["delivered"] * 3
    assert sending.courier.deliver_due() == 0


def test_what_is_refused_is_sent_again_later_and_later(sending: Double, receiver: Receiver) -> None:
    receiver.refuse = 5
    sending.courier.deliver_due()
    first = sending.world.store.deliveries[0]
    assert (first["attempts"][0]["status"], receiver.taken) == (500, [])
    assert sending.courier.deliver_due() == 0  # not yet
    waits = [first["due"] - int(time.time())]
    for delivery in sending.world.store.deliveries:
        delivery["due"] = 0
    sending.courier.deliver_due()
    waits.append(first["due"] - int(time.time()))
    assert waits[0] < waits[1]
    assert len(receiver.taken) == 1
    for delivery in sending.world.store.deliveries:
        delivery["due"] = 0
    sending.courier.deliver_due()
    assert sorted(event.data.object["name"] for event in receiver.taken) == ["a", "b", "c"]


def test_nobody_there_is_no_answer_and_in_the_end_it_is_given_up(receiver: Receiver) -> None:
    receiver.server.shutdown()
    receiver.server.server_close()
    double = Double(base_url="http://localhost:1", key=KEY, secret=SECRET, webhook=receiver.url)
    double.answer("POST", "/v1/customers", "", "name=a", {"Authorization": f"Bearer {KEY}"})
    delivery = double.world.store.deliveries[0]
    while delivery["state"] == "waiting":
        delivery["due"] = 0
        assert double.courier.deliver_due() == 1
    assert (delivery["state"], {attempt["status"] for attempt in delivery["attempts"]}) == ("given up", {0})


def test_news_are_held_back_and_let_go(sending: Double, receiver: Receiver) -> None:
    COMMANDS["hold"](sending, {"on": "true"})
    assert sending.courier.deliver_due() == 0
    COMMANDS["hold"](sending, {"on": "false"})
    assert sending.courier.deliver_due() == 3


def test_news_are_reordered_doubled_replayed_and_lost(sending: Double, receiver: Receiver) -> None:
    def names() -> str:
        return "".join(event.data.object["name"] for event in receiver.taken)

    COMMANDS["reorder"](sending, {})
    assert names() == "cba"
    COMMANDS["replay"](sending, {"times": 2})
    assert names() == "cba" + "aabbcc"
    first = sending.world.store.deliveries[0]["event"]
    COMMANDS["replay"](sending, {"event": first})
    assert names() == "cbaaabbcca"
    COMMANDS["lose"](sending, {"kinds": "customer.deleted customer.created", "on": "true"})
    sending.answer("POST", "/v1/customers", "", "name=d", {"Authorization": f"Bearer {KEY}"})
    assert sending.courier.deliver_due() == 0
    assert _states(sending)[-1] == "lost"
    COMMANDS["lose"](sending, {"kinds": "*", "on": "false"})
    sending.answer("POST", "/v1/customers", "", "name=e", {"Authorization": f"Bearer {KEY}"})
    sending.courier.deliver_due()
    assert names()[-1] == "e"


def test_the_state_tells_what_was_answered(sending: Double, receiver: Receiver) -> None:
    receiver.refuse = 1
    COMMANDS["deliver"](sending, {})
    state = COMMANDS["state"](sending, {"kind": "customer"})
    assert [thing["name"] for thing in state["things"]] == ["a", "b", "c"]
    assert [d["attempts"][0]["status"] for d in state["deliveries"]] == [500, 200, 200]
    assert json.loads(json.dumps(state)) == state
