from django.urls import path

from billing.views import credits, pricing

app_name = "billing"
urlpatterns = [
    path("", credits.credits_page, name="credits"),
    path("pricing/", pricing.pricing, name="pricing"),
]
