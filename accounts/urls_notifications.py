from django.urls import path

from accounts.views import notifications

app_name = "notifications"
urlpatterns = [
    path("", notifications.all_notifications, name="list"),
    path("bell/", notifications.bell_parts, name="bell"),
    path("read/", notifications.read_all, name="read_all"),
    path("unsubscribe/<str:token>/", notifications.unsubscribe, name="unsubscribe"),
    path("<uuid:notification_id>/", notifications.open_notification, name="open"),
    path("<uuid:notification_id>/read/", notifications.read, name="read"),
]
