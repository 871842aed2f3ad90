"""The house in figures, for staff: people, money, work. Each figure is one aggregate of the database."""
