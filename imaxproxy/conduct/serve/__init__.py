"""A measuring proxy: its gate, its upstreams, what it records, the process that relays."""
