"""How the bundled starter base was made: every step from public packages to the exported folder."""
