"""People, what they are told, their data and the trail, for staff."""

from accounts.admin import letters, records
from accounts.admin.kit import OfAPerson, ReadOnly, back_to, person_link
from accounts.admin.people import UserAdmin

__all__ = ["OfAPerson", "ReadOnly", "UserAdmin", "back_to", "letters", "person_link", "records"]
