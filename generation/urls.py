from django.urls import path

from generation import views

app_name = "generation"
urlpatterns = [
    path("", views.create, name="create"),
    path("styles/<uuid:style_id>/", views.style_row, name="style_row"),
    path("<uuid:request_id>/", views.head, name="head"),
    path("<uuid:request_id>/cancel/", views.cancel, name="cancel"),
    path("<uuid:request_id>/retry/", views.retry, name="retry"),
    path("<uuid:request_id>/again/", views.again, name="again"),
    path("pictures/<uuid:output_id>/", views.output, name="output"),
    path("pictures/<uuid:output_id>/cancel/", views.cancel_output, name="cancel_output"),
    path("pictures/<uuid:output_id>/retry/", views.retry_output, name="retry_output"),
    path("<slug:tool>/", views.create, name="tool"),
    path("<slug:tool>/upload/", views.upload, name="upload"),
]
