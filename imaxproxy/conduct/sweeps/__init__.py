"""The points of a sweep, one after the other or side by side: here, in processes, on a cluster."""
