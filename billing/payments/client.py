"""How this house speaks to Stripe: with which key, to which address, for how long, and what its failures are called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import stripe
import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from config.kit.errors import Refusal

log = structlog.get_logger(__name__)

TIMEOUT = (4.0, 15.0)  # seconds to connect, and to answer: a lock is held meanwhile
RETRIES = 2  # of the same call, with the same idempotency key
PAGE = 100  # of a list: the most that Stripe gives at once

Found = dict[str, Any]  # an object of Stripe's, as plain data


class PaymentsOff(Refusal):
    """No key is configured: nothing is sold here."""

    status = 409

    def __init__(self) -> None:
        super().__init__(_("Nothing can be bought here: payments are not set up."), code="payments_off")


class PaymentsSilent(Refusal):
    """Stripe did not answer, or not in time. Nothing was done that a second try would do twice."""

    status = 503

    def __init__(self) -> None:
        say = _("The payment service does not answer just now. Nothing was charged; please try again in a minute.")
        super().__init__(say, code="payments_silent")


def is_on() -> bool:
    """Whether anything can be bought here."""
    return bool(settings.STRIPE_SECRET_KEY)


def stripe_client() -> stripe.StripeClient:
    """A client with our key. Raises `PaymentsOff` without one."""
    if not is_on():
        raise PaymentsOff
    host = getattr(settings, "STRIPE_API_HOST", "") or stripe.DEFAULT_API_BASE
    return _client(settings.STRIPE_SECRET_KEY, host, _transport())


@lru_cache(maxsize=4)
def _client(key: str, host: str, transport: stripe.HTTPClient) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": host}, http_client=transport, max_network_retries=RETRIES)


def _transport() -> stripe.HTTPClient:
    """Connections with our patience, for dj-stripe's own calls, too: it uses the library's defaults."""
    if stripe.default_http_client is None:
        stripe.default_http_client = stripe.RequestsClient(timeout=TIMEOUT)
        stripe.max_network_retries = RETRIES
    return stripe.default_http_client


def plain(thing: stripe.StripeObject) -> Found:
    """An object of the library as plain data, all the way down."""
    return thing.to_dict(for_json=True)


def all_of(page: Any) -> list[Found]:
    """Every object of a list, however many pages it has."""
    return [plain(one) for one in page.auto_paging_iter()]


@contextmanager
def asking() -> Iterator[None]:
    """Around calls that a person waits for: Stripe's failures become sentences, never a 500."""
    try:
        yield
    except stripe.CardError as error:
        say = _("The payment was declined: %(why)s") % {"why": error.user_message or _("please try another card.")}
        raise Refusal(say, code="payment_declined", status=402) from error
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError, stripe.IdempotencyError) as error:
        log.warning("stripe_silent", error=str(error))
        raise PaymentsSilent from error
    except stripe.StripeError as error:  # a wrong key, an unknown price: ours to mend
        log.error("stripe_refused", error=str(error), code=error.code)
        say = _("The payment service refused this. Nothing was charged; whoever runs this site finds why in the log.")
        raise Refusal(say, code="payments_refused", status=502) from error


def is_gone(error: stripe.InvalidRequestError) -> bool:
    """Whether Stripe says that there is no such object (any more)."""
    return error.code == "resource_missing"


def id_of(thing: Any) -> str:
    """The id of what may be expanded or not."""
    return str(thing["id"] if isinstance(thing, dict) else thing or "")
