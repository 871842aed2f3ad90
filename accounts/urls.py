from django.urls import path

from accounts.views import own_data, profile, security, sign_in_link, tokens

app_name = "accounts"
urlpatterns = [
    path("", profile.settings_page, name="settings"),
    path("profile/", profile.save_profile, name="save_profile"),
    path("appearance/", profile.save_appearance, name="save_appearance"),
    path("security/", security.security_page, name="security"),
    path("tokens/", tokens.tokens_page, name="tokens"),
    path("tokens/<uuid:token_id>/revoke/", tokens.revoke_token, name="revoke_token"),
    path("data/", own_data.data_page, name="data"),
    path("sign-in/<str:token>/", sign_in_link.use_link, name="use_link"),
]
