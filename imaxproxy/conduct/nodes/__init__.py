"""One load from many nodes of a cluster, and engines on them."""
