"""One person, one machine: what `make run` uses. Everything embedded, and never DEBUG."""

from pathlib import Path

from .base import *  # noqa: F403
from .base import ALLOWED_HOSTS, SECRET_KEY, STATE_DIR, _public, env

if not SECRET_KEY:
    _key_file = Path(env.str("SECRET_KEY_FILE", default=str(STATE_DIR / "secret_key")))
    # management commands that need no secret (checks, type checks) run before the first start wrote one
    SECRET_KEY = _key_file.read_text().strip() if _key_file.exists() else "not-yet-generated-" + "x" * 40

ALLOWED_HOSTS = list({*ALLOWED_HOSTS, "localhost", "127.0.0.1", "[::1]", _public.hostname or "localhost"})
