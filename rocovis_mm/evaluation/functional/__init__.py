"""Pure functions on numpy arrays and run lengths; nothing here needs torch."""
