"""What the trail says for each deed of this room."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "account.create": _("Account made"),
    "account.ban": _("Account shut out"),
    "account.unban": _("Account let in again"),
    "sign_in_link.create": _("One-time sign-in link made"),
    "token.create": _("API token made"),
    "token.revoke": _("API token revoked"),
}
