"""What proxy and player cost, and how true they are, beside their peers. Run: python -m benchmarks (README.md)."""
