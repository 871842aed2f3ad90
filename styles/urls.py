from django.urls import path

from styles import import_views, views

app_name = "styles"
urlpatterns = [
    path("", views.style_list, name="list"),
    path("new/", views.new_style, name="new"),
    path("sample/", views.sample, name="sample"),
    path("import/", import_views.import_style, name="import"),
    path("<uuid:style_id>/", views.style_detail, name="detail"),
    path("<uuid:style_id>/change/", views.change, name="change"),
    path("<uuid:style_id>/delete/", views.delete, name="delete"),
    path("<uuid:style_id>/restore/", views.restore, name="restore"),
    path("<uuid:style_id>/use/", views.use_instead, name="use_instead"),
    path("<uuid:style_id>/declare/", views.declare, name="declare"),
    path("<uuid:style_id>/consent/", views.consent, name="consent"),
    path("<uuid:style_id>/consent/revoke/", views.revoke_consent, name="revoke_consent"),
    path("<uuid:style_id>/works/", views.add_works, name="add_works"),
    path("<uuid:style_id>/works/<uuid:work_id>/", views.work, name="work"),
    path("<uuid:style_id>/works/<uuid:work_id>/remove/", views.remove_work, name="remove_work"),
    path("<uuid:style_id>/works/<uuid:work_id>/keep/", views.keep_work, name="keep_work"),
    path("<uuid:style_id>/works/<uuid:work_id>/restore/", views.restore_work, name="restore_work"),
]
