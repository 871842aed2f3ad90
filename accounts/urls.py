from django.urls import path

from accounts.views import notifications, own_data, profile, security, sign_in_link, tokens

app_name = "accounts"
urlpatterns = [
    path("", profile.settings_page, name="settings"),
    path("profile/", profile.save_profile, name="save_profile"),
    path("avatar/", profile.save_avatar, name="save_avatar"),
    path("avatar/remove/", profile.remove_avatar, name="remove_avatar"),
    path("appearance/", profile.save_appearance, name="save_appearance"),
    path("security/", security.security_page, name="security"),
    path("security/again/", security.confirm_by_provider, name="confirm_by_provider"),
    path("security/again/done/", security.confirmed_by_provider, name="confirmed_by_provider"),
    path("sessions/end/", security.end_sessions, name="end_sessions"),
    path("sessions/<int:session_id>/end/", security.end_session, name="end_session"),
    path("tokens/", tokens.tokens_page, name="tokens"),
    path("tokens/<uuid:token_id>/revoke/", tokens.revoke_token, name="revoke_token"),
    path("notifications/", notifications.settings_page, name="notifications_settings"),
    path("notifications/save/", notifications.save_settings, name="save_notifications"),
    path("data/", own_data.data_page, name="data"),
    path("data/export/", own_data.export_part, name="export"),
    path("data/export/ask/", own_data.ask_export, name="ask_export"),
    path("data/export/<uuid:export_id>/", own_data.download_export, name="download_export"),
    path("data/close/", own_data.close_account, name="close_account"),
    path("data/keep/", own_data.keep_account, name="keep_account"),
    path("sign-in/<str:token>/", sign_in_link.use_link, name="use_link"),
]
