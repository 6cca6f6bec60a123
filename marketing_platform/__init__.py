"""The engine: plain Python and SQL, without an orchestrator.

Only `definitions.py` knows Dagster; everything else runs in a test, a notebook or the command line.
"""
