"""What the commands do, step by step; `cli.py` reads the arguments.

Dagster and scikit-learn are imported where they are used: a mistake in an option is told at once.
"""
