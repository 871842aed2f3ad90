from django.urls import path

from gpu import views

app_name = "gpu"
urlpatterns = [
    path("", views.jobs, name="jobs"),
    path("<uuid:job_id>/", views.show, name="show"),
    path("<uuid:job_id>/row/", views.row, name="row"),
    path("<uuid:job_id>/cancel/", views.cancel, name="cancel"),
    path("<uuid:job_id>/stop/", views.stop, name="stop"),
]
