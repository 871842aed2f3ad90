"""What a browser sees: Checkout, the portal, invoices, and the control page."""
