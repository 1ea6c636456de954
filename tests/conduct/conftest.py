"""Commands conduct: what tests of the commands have is had here too."""

from cli.conftest import start_engine, trace  # noqa: F401 (fixtures)
