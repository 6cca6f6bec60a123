"""Events as Segment writes them, as JSON lines in a folder."""
