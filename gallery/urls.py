from django.urls import path

from gallery import views

app_name = "gallery"
urlpatterns = [
    path("", views.gallery, name="gallery"),
    path("selection/", views.selection, name="selection"),
    path("restore/", views.restore, name="restore"),
    path("<uuid:artwork_id>/", views.artwork, name="artwork"),
    path("<uuid:artwork_id>/favourite/", views.favourite, name="favourite"),
    path("<uuid:artwork_id>/describe/", views.describe, name="describe"),
    path("<uuid:artwork_id>/delete/", views.delete, name="delete"),
]
