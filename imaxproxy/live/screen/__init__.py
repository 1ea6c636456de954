"""The terminal screen: snapshots in, lines of styled text out, and the terminal they are drawn on."""
