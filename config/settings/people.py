"""How people sign in: allauth, Google and Discord, second steps, limits."""

from typing import Any

import environ

env = environ.Env()

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_AT_LEAST: int = 10  # characters
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_AT_LEAST},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/studio/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "accounts.adapters.SocialAccountAdapter"
ACCOUNT_FORMS = {
    "signup": "accounts.passwords.SignupForm",
    "change_password": "accounts.passwords.ChangePasswordForm",
    "set_password": "accounts.passwords.SetPasswordForm",
    "reset_password_from_key": "accounts.passwords.ResetPasswordKeyForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ALLAUTH_TRUSTED_PROXY_COUNT: int = env.int("TRUSTED_PROXY_COUNT", default=0)
ACCOUNT_EMAIL_NOTIFICATIONS = True  # to the person, of every change to how they sign in
ACCOUNT_CHANGE_EMAIL = True  # one address; the old one stays until the new one is confirmed
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
# Who waits for a mail in vain may ask for another, twice
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 10 * 60  # seconds for which having signed in again counts
# Per address, account or person. They count in Redis; without it nobody signs in, and who is signed in goes on.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",  # passwords, codes of the second step
    "signup": "20/m/ip",
    "reset_password": "20/m/ip,5/m/key",
    "reset_password_from_key": "20/m/ip",
    "request_login_code": "20/m/ip,3/m/key",
    "reauthenticate": "10/m/user",
    "change_password": "5/m/user",
    "manage_email": "10/m/user",
    "confirm_email": "1/10s/key",
}
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False  # nothing is asked of Google and Discord after the sign-in
SOCIALACCOUNT_QUERY_EMAIL = True
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
PROVIDER_APPS: list[str] = []
for _provider, _scope in (("google", ["profile", "email"]), ("discord", ["identify", "email"])):
    _client_id = env.str(f"{_provider.upper()}_CLIENT_ID", default="")
    if _client_id:  # a provider without its id has no routes either: they could only fail
        PROVIDER_APPS.append(f"allauth.socialaccount.providers.{_provider}")
        SOCIALACCOUNT_PROVIDERS[_provider] = {
            "APPS": [
                {
                    "client_id": _client_id,
                    "secret": env.str(f"{_provider.upper()}_CLIENT_SECRET", default=""),
                    "key": "",
                }
            ],
            "SCOPE": _scope,
            "OAUTH_PKCE_ENABLED": True,
        }
# Addresses of other servers that speak as Google and Discord do, for trying out; the product itself knows theirs.
GOOGLE_URL: str = env.str("GOOGLE_URL", default="").rstrip("/")
DISCORD_URL: str = env.str("DISCORD_URL", default="").rstrip("/")
MFA_ADAPTER = "accounts.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "ArtistCloner"
MFA_RATE_LIMITS = {"webauthn_login": "10/m/ip"}
