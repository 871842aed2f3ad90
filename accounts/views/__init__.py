"""Pages of the person: the settings, a page a subject, and the one-time sign-in link."""
