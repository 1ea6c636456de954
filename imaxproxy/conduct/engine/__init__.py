"""The engine of a run: at a URL, started from a recipe, or simulated; and its power."""
