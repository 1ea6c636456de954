"""The highest load that still meets an SLO: runs of it, one after the other, and what each has shown."""
