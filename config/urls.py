"""Every address of the site, a room at a time."""

from django.contrib import admin
from django.urls import include, path

from billing.payments.webhook import webhook
from billing.views.pricing import pricing
from config.api import api
from config.kit import media
from config.pages import health, home, mail, studio
from config.pages.figures.views import figures

urlpatterns = [
    path("", home.home, name="home"),
    path("studio/", studio.studio, name="studio"),
    path("accounts/", include("allauth.urls")),
    path("settings/", include("accounts.urls")),
    path("notifications/", include("accounts.urls_notifications")),
    path("styles/", include("styles.urls")),
    path("training/", include("training.urls")),
    path("create/", include("generation.urls")),
    path("gallery/", include("gallery.urls")),
    path("credits/", include("billing.urls")),
    path("pricing/", pricing, name="pricing"),
    path("stripe/webhook/", webhook, name="stripe_webhook"),
    path("jobs/", include("gpu.urls")),
    path("media/<path:key>", media.serve, name="media"),
    path("mail/", mail.mailbox, name="mail"),
    path("mail/<str:name>/", mail.message, name="mail_message"),
    path("mail/<str:name>/looks/", mail.looks, name="mail_looks"),
    path("admin/figures/", admin.site.admin_view(figures), name="figures"),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

handler400 = "config.pages.errors.bad_request"
handler403 = "config.pages.errors.forbidden"
handler404 = "config.pages.errors.not_found"
handler429 = "config.pages.errors.too_many"  # asked for by allauth, not by Django
handler500 = "config.pages.errors.server_error"
