from django.urls import URLPattern

app_name = "gpu"
urlpatterns: list[URLPattern] = []
