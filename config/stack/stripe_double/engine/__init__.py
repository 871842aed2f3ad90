"""What Stripe does by itself: cards that pay or do not, invoices, subscriptions, and time that passes."""
