"""Money by Stripe.

A webhook verifies, stores and rings. `settling.settle` is the one door: under the lock of one customer it asks Stripe
how things are, and brings credits, plan and purchases in line with the answer. So it does not matter in which order
news come in, how often, or whether they come at all.
"""

from billing.payments.client import is_on

__all__ = ["is_on"]
