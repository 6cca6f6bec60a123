"""The simulated shop as tables, before any system has put them into its own shape."""
