"""One load: trace in, workers fed, journal and summary out; over sockets or in virtual time."""
