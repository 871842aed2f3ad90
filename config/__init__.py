"""The project: settings, routes, and the parts every room shares."""

from .celery import app as celery_app

__all__ = ["celery_app"]
