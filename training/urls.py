from django.urls import path

from training import views

app_name = "training"
urlpatterns = [
    path("<uuid:style_id>/", views.run_page, name="run"),
    path("<uuid:style_id>/offer/", views.offer, name="offer"),
    path("<uuid:style_id>/start/", views.start, name="start"),
    path("<uuid:style_id>/versions/", views.versions, name="versions"),
    path("<uuid:style_id>/versions/compare/", views.compare, name="compare"),
    path("<uuid:style_id>/versions/<int:number>/activate/", views.activate, name="activate"),
    path("<uuid:style_id>/versions/<int:number>/rename/", views.rename, name="rename"),
    path("<uuid:style_id>/versions/<int:number>/weights/", views.weights, name="weights"),
    path("runs/<uuid:run_id>/parts/<slug:part>/", views.run_part, name="part"),
    path("runs/<uuid:run_id>/stop/", views.stop, name="stop"),
    path("runs/<uuid:run_id>/cancel/", views.cancel, name="cancel"),
    path("runs/<uuid:run_id>/retry/", views.retry, name="retry"),
    path("checkpoints/<uuid:checkpoint_id>/choose/", views.choose, name="choose"),
]
