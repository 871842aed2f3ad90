"""What this room tells the rooms above it."""

from django.dispatch import Signal

# Sent with `user` each time an email address of theirs is proven; receivers must be harmless when called again.
email_verified = Signal()

# Sent with `user` when somebody is shut out, in the transaction of the deed; a receiver leaves what can fail for later.
banned = Signal()
