"""Small jobs in the background."""

from celery import shared_task

from training import encodings


@shared_task(name="training.tasks.tidy_encodings")  # type: ignore[untyped-decorator]
def tidy_encodings() -> int:
    """Remove encoded references whose style or set is gone, or that nobody trained for a week."""
    return encodings.tidy()
