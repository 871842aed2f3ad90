"""The REST API: one function an address, found by `router`."""
