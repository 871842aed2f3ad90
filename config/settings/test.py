"""Tests: real PostgreSQL, real Redis, our real migrations; mail in memory and cheap password hashes."""

import os
import tempfile
from pathlib import Path

# both providers are there, as where their ids are set: routes and buttons; nothing leads out of the tests
for _provider in ("GOOGLE", "DISCORD"):
    os.environ.setdefault(f"{_provider}_CLIENT_ID", "tests")
    os.environ.setdefault(f"{_provider}_CLIENT_SECRET", "tests-secret")

from .base import *  # noqa: E402, F403
from .base import REDIS_URL, STORAGES  # noqa: E402

SECRET_KEY = "tests-only-" + "x" * 50
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STATE_DIR = Path(tempfile.gettempdir()) / "artistcloner-tests"
MEDIA_ROOT = STATE_DIR / "media"
MAIL_DIR = STATE_DIR / "mail"
STORAGES = {
    **STORAGES,
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(MEDIA_ROOT), "base_url": "/media/"},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
CELERY_BROKER_URL = REDIS_URL
LOGGING_CONFIG = None
