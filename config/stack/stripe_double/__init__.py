"""A double of Stripe: the same addresses, shapes and signatures, and no money. Standard library only.

`python -m config.stack.stripe_double --help` starts it; docs/stripe-double.md tells what it imitates.
"""
