from django.urls import URLPattern

app_name = "styles"
urlpatterns: list[URLPattern] = []
