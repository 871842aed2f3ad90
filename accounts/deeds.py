"""What the trail says for each deed of this room."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "account.create": _("Account made"),
    "account.ban": _("Account shut out"),
    "account.unban": _("Account let in again"),
    "sign_in_link.create": _("One-time sign-in link made"),
    "sign_in.link": _("Signed in with a link from the terminal"),
    "session.end": _("Signed out elsewhere"),
    "email.change": _("Email address changed"),
    "password.change": _("Password changed"),
    "provider.connect": _("Google or Discord connected"),
    "provider.disconnect": _("Google or Discord disconnected"),
    "second_step.add": _("Second step added"),
    "second_step.remove": _("Second step removed"),
    "second_step.new_codes": _("New recovery codes made"),
    "profile.save": _("Profile changed"),
    "export.ask": _("Archive of the account asked for"),
    "export.ready": _("Archive of the account made"),
    "export.download": _("Archive of the account downloaded"),
    "closing.ask": _("Closing of the account asked for"),
    "closing.take_back": _("Closing of the account taken back"),
    "closing.begin": _("Closing of the account begun"),
    "closing.done": _("Account closed"),
    "token.create": _("API token made"),
    "token.revoke": _("API token revoked"),
}
