"""What staff see of the admin besides its lists: the site's name, and a side bar of what is looked at."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _shelf(icon: str, title: str, app: str, model: str) -> dict[str, Any]:
    """A list of the admin as a line of its side bar, for who may see it."""
    return {
        "icon": icon,
        "title": title,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": lambda request: request.user.has_perm(f"{app}.view_{model}"),
    }


UNFOLD = {
    "SITE_TITLE": "ArtistCloner",
    "SITE_HEADER": "ArtistCloner",
    "SITE_URL": "/studio/",
    "SITE_DROPDOWN": [
        {"icon": "monitoring", "title": "Figures", "link": reverse_lazy("figures")},
        {"icon": "mail", "title": "Mails", "link": reverse_lazy("admin:mails")},
        {"icon": "palette", "title": "To the studio", "link": reverse_lazy("studio")},
    ],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("img/mark.svg")}],
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": True,
        "navigation": [
            {
                "items": [
                    {"icon": "monitoring", "title": "Figures", "link": reverse_lazy("figures")},
                    _shelf("group", "People", "accounts", "user"),
                    _shelf("history", "Trail", "accounts", "auditentry"),
                    {"icon": "mail", "title": "Mails", "link": reverse_lazy("admin:mails")},
                ],
            },
            {
                "title": "Money",
                "separator": True,
                "items": [
                    _shelf("card_membership", "Plans", "billing", "entitlement"),
                    _shelf("autorenew", "Subscriptions", "djstripe", "subscription"),
                    _shelf("receipt_long", "Invoices", "djstripe", "invoice"),
                    _shelf("gavel", "Disputes", "djstripe", "dispute"),
                    _shelf("shopping_cart", "Purchases", "billing", "purchase"),
                    _shelf("account_balance", "Ledger", "billing", "credittransaction"),
                    _shelf("webhook", "News of Stripe", "billing", "stripeevent"),
                ],
            },
            {
                "title": "Work",
                "separator": True,
                "items": [
                    _shelf("brush", "Styles", "styles", "style"),
                    _shelf("image", "Pictures and films", "gallery", "artwork"),
                    _shelf("memory", "Jobs", "gpu", "job"),
                    _shelf("dns", "Workers", "gpu", "worker"),
                ],
            },
        ],
    },
    "SHOW_HISTORY": True,
    "DASHBOARD_CALLBACK": "config.pages.figures.today.dashboard",
}
