from django.urls import path

from billing.views import checkout, credits, pricing, subscription

app_name = "billing"
urlpatterns = [
    path("", credits.credits_page, name="credits"),
    path("lines.csv", credits.lines_as_csv, name="csv"),
    path("pricing/", pricing.pricing, name="pricing"),
    path("checkout/", checkout.begin, name="checkout"),
    path("purchases/<uuid:purchase_id>/", checkout.purchase, name="purchase"),
    path("portal/", subscription.portal, name="portal"),
    path("billing/", subscription.billing, name="billing"),
    path("billing/change/", subscription.change, name="change"),
    path("billing/cancel/", subscription.cancel, name="cancel"),
    path("billing/resume/", subscription.resume, name="resume"),
]
