"""What a command sets going, all its parts chosen: an engine, a load, a sweep, a proxy, the nodes of a cluster."""
