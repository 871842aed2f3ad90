"""The websocket routes: one socket a tab."""

from django.urls import path

from gpu.consumers import LiveConsumer

websocket_urlpatterns = [path("ws/", LiveConsumer.as_asgi())]
