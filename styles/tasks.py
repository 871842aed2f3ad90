"""Small jobs in the background."""

from celery import shared_task

from styles import erasing


@shared_task(name="styles.tasks.erase_due")  # type: ignore[untyped-decorator]
def erase_due() -> int:
    """Erase the files of styles deleted 30 days ago and of references removed yesterday."""
    return erasing.erase_due()
