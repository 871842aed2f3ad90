from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("", views.settings_page, name="settings"),
    path("profile/", views.save_profile, name="save_profile"),
    path("appearance/", views.save_appearance, name="save_appearance"),
    path("tokens/", views.create_token, name="create_token"),
    path("tokens/<uuid:token_id>/revoke/", views.revoke_token, name="revoke_token"),
    path("sign-in/<str:token>/", views.use_link, name="use_link"),
]
