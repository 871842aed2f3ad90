"""Small jobs in the background."""

from celery import shared_task

from styles import erasing
from styles.actions.studying import start_due_studies


@shared_task(name="styles.tasks.erase_due")  # type: ignore[untyped-decorator]
def erase_due() -> int:
    """Erase the files of styles deleted 30 days ago and of references removed yesterday."""
    return erasing.erase_due()


@shared_task(name="styles.tasks.study_due")  # type: ignore[untyped-decorator]
def study_due() -> int:
    """Have sets looked at that have new works and have settled."""
    return start_due_studies()
