"""What the trail says for each deed of this room."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "credits.adjust": _("Credits adjusted"),
    "credits.grant": _("Credits granted"),
    "plan.cancel": _("Plan cancelled"),
    "plan.change": _("Plan changed"),
    "plan.give": _("Plan given"),
    "plan.resume": _("Plan resumed"),
    "plan.take_back": _("Given plan taken back"),
    "stripe.settle": _("Brought in line with Stripe"),
}
