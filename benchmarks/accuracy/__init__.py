"""Is what a meter says of a stream what happened? Streams with a known truth, and those that are asked about them."""
