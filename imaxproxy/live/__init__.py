"""The live view: what a running proxy or replay shows while it runs, and who shows it."""
