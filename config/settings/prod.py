"""Several machines behind a TLS proxy. Nothing is guessed: a missing variable stops the start with its name."""

from django.core.exceptions import ImproperlyConfigured

from .base import *  # noqa: F403
from .base import ALLOWED_HOSTS, HTTPS, SECRET_KEY, _public, env

if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY must be set, at least 50 characters long.")
if not HTTPS:
    raise ImproperlyConfigured("PUBLIC_URL must be the https address people use.")
for _name in ("DATABASE_URL", "REDIS_URL"):
    if not env.str(_name, default=""):
        raise ImproperlyConfigured(f"{_name} must be set.")
if env.str("STRIPE_API_HOST", default=""):
    raise ImproperlyConfigured("STRIPE_API_HOST is for the double alone: in production Stripe is Stripe.")
for _name in ("GOOGLE_URL", "DISCORD_URL"):
    if env.str(_name, default=""):
        raise ImproperlyConfigured(f"{_name} is for trying out: in production people sign in at the real one.")
ALLOWED_HOSTS = ALLOWED_HOSTS or [_public.hostname or ""]
