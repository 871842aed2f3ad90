"""Settings shared by every way of running. What differs comes from the environment (docs/configuration.md)."""

from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from gpu.engine import choices

from .people import *  # noqa: F403
from .people import DISCORD_URL, GOOGLE_URL, PROVIDER_APPS
from .staff import *  # noqa: F403

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()

STATE_DIR = Path(env.str("STATE_DIR", default=str(BASE_DIR / "var"))).resolve()

SECRET_KEY: str = env.str("SECRET_KEY", default="")
# A key that is given up stays here for a while: what it signed and sealed can still be read.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
# What the database must not hold in clear is sealed with the first, read with any; without them with SECRET_KEY.
ENCRYPTION_KEYS: list[str] = env.list("ENCRYPTION_KEYS", default=[])
DEBUG = False

# Where people reach the site: links in mails, allowed hosts and the websocket's origin check follow from it.
PUBLIC_URL: str = env.str("PUBLIC_URL", default="http://localhost:8000").rstrip("/")
_public = environ.urlparse(PUBLIC_URL)
HTTPS = _public.scheme == "https"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _public.scheme
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])

INSTALLED_APPS = [
    "config.kit",
    "unfold.apps.BasicAppConfig",
    "accounts.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "template_partials",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
    "allauth.usersessions",
    "channels",
    "csp",
    "billing.djstripe_app.StripeMirror",
    "accounts",
    "billing",
    "gpu",
    "styles",
    "gallery",
    "training",
    "generation",
]

INSTALLED_APPS += PROVIDER_APPS

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.language.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sessions.SeenMiddleware",
    "config.kit.rendering.RefusalMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.pages.context.shell",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "template_partials.templatetags.partials",
                "config.kit.templatetags.ui",
            ],
        },
    }
]

# --- data ------------------------------------------------------------------------------------------------------

DATABASES = {"default": env.db("DATABASE_URL", default="postgres://localhost/artistcloner")}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["ATOMIC_REQUESTS"] = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL: str = env.str("REDIS_URL", default="redis://localhost:6379/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
    }
}
# Redis may be lost at any time: sessions must not be lost with it.
SESSION_ENGINE = "django.contrib.sessions.backends.db"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "live"},
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False  # what structlog prints is no warning
CELERY_TASK_ROUTES = {"gpu.worker.*": {"queue": "gpu"}}
CELERY_BEAT_SCHEDULE: dict[str, Any] = {}  # each room adds its own in AppConfig.ready()

# --- files -----------------------------------------------------------------------------------------------------

MEDIA_ROOT = STATE_DIR / "media"
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default="") or STATE_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGE_BUCKET: str = env.str("STORAGE_BUCKET", default="")
_file_storage: dict[str, Any] = (
    {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": STORAGE_BUCKET,
            "endpoint_url": env.str("STORAGE_ENDPOINT", default="") or None,
            "region_name": env.str("STORAGE_REGION", default="") or None,
            "access_key": env.str("STORAGE_ACCESS_KEY", default="") or None,
            "secret_key": env.str("STORAGE_SECRET_KEY", default="") or None,
            "default_acl": None,
            "file_overwrite": True,
            "querystring_expire": 300,
            "signature_version": "s3v4",
        },
    }
    if STORAGE_BUCKET
    else {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(MEDIA_ROOT), "base_url": "/media/"},
    }
)
STORAGES = {
    "default": _file_storage,
    "staticfiles": {"BACKEND": "config.kit.staticfiles.StaticStorage"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_TEMP_DIR = env.str("UPLOAD_TEMP_DIR", default=None)
DATA_UPLOAD_MAX_NUMBER_FILES = 60

# --- mail ------------------------------------------------------------------------------------------------------

# Without a mail server every mail becomes a file that the local mail page shows (loopback only).
MAIL_DIR = STATE_DIR / "mail"
EMAIL_URL: str = env.str("EMAIL_URL", default="")
EMAIL_TIMEOUT = 20  # seconds; shorter than the outbox's first pause, so that no mail is under way twice
if EMAIL_URL:
    _email = env.email_url("EMAIL_URL")
    globals().update(_email)
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(MAIL_DIR)
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default="ArtistCloner <hello@localhost>")

# --- security --------------------------------------------------------------------------------------------------

# Where our forms lead besides our own pages: a browser follows a form's redirect only to what stands here
SIGN_IN_PAGES: list[str] = env.list(
    "SIGN_IN_PAGES",
    default=[GOOGLE_URL or "https://accounts.google.com", DISCORD_URL or "https://discord.com"],
)
STRIPE_PAGES: list[str] = env.list(
    "STRIPE_PAGES", default=["https://checkout.stripe.com", "https://billing.stripe.com"]
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:", "blob:", *env.list("STORAGE_ORIGINS", default=[])],
        "media-src": [SELF, "blob:", *env.list("STORAGE_ORIGINS", default=[])],
        "connect-src": [SELF],
        "form-action": [SELF, *SIGN_IN_PAGES, *STRIPE_PAGES],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    },
    # the staff admin's theme runs Alpine, which needs eval and inline styles; only staff ever load it
    "EXCLUDE_URL_PREFIXES": ("/admin/",),
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "config.pages.errors.csrf_failure"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SILENCED_SYSTEM_CHECKS: list[str] = []

# --- words -----------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# --- the product -----------------------------------------------------------------------------------------------

# How long the operator keeps backups: what an account's closing receipt promises.
BACKUP_DAYS: int = env.int("BACKUP_DAYS", default=30)
# `off` is running at home: no limits, no visible mark, credits counted but never blocking.
BILLING: bool = env.bool("BILLING", default=False)
# Stripe: without a key nothing is sold. The double of `make run STRIPE=double` gives a key, a secret and its address.
STRIPE_SECRET_KEY: str = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET: str = env.str("STRIPE_WEBHOOK_SECRET", default="")
if env.str("STRIPE_API_HOST", default=""):  # read by dj-stripe, too: only ever another than Stripe's own
    STRIPE_API_HOST: str = env.str("STRIPE_API_HOST")
STRIPE_TAX: bool = env.bool("STRIPE_TAX", default=False)  # Stripe Tax counts and collects it at Checkout
STRIPE_LIVE_MODE = STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
# dj-stripe's own migrations take a minute of CPU on a fresh database; these are the same tables, made at once
MIGRATION_MODULES = {"djstripe": "billing.djstripe_migrations"}
# A name from the engine's catalogue, a repository id, or a folder; what `models use` chose where nothing is set.
BASE_MODEL: str = env.str("BASE_MODEL", default="") or choices.read().base or "starter"
ENGINE_PYTHON: str = env.str("ENGINE_PYTHON", default="")
# What a GPU worker keeps of styles' weights on its disk.
WEIGHTS_CACHE_BYTES = int(env.float("WEIGHTS_CACHE_GB", default=20.0) * 10**9)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django.request": {"level": "ERROR"}, "daphne.http_protocol": {"level": "WARNING"}},
}
