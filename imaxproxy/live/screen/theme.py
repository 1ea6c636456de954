"""The screen's colours, by what they mean. Each has a contrast of at least 3 to 1 on white and on black."""

BRAND = "bold reverse color(25) on color(231)"
BORDER = "color(243)"
TITLE = "bold"
LABEL = "color(244)"
"""What stands beside a figure."""
FIGURE = "bold"
PLAIN = ""
SIMULATED = "bold reverse color(90) on color(231)"
GOOD, WARN, BAD = "color(35)", "color(172)", "color(167)"
ALARM = "bold reverse color(124) on color(231)"
"""Grounds are written as reversed: without colours (NO_COLOR) they still stand out."""
KEY = "bold color(33)"
SERIES: dict[str, str] = {
    "output_tokens_per_s": "color(33)",
    "requests_per_s": "color(35)",
    "in_flight": "color(172)",
    "power_w": "color(133)",
}
"""Each series has one colour wherever it is drawn."""
ZONES: tuple[tuple[float, str], ...] = (
    (0.5, "color(35)"),
    (0.9, "color(33)"),
    (0.99, "color(172)"),
    (1.0, "color(167)"),
)
"""Colour of a histogram up to this rank: the better half, up to p90, up to p99, the last hundredth."""
WAITING, STREAMING = "color(172)", "color(35)"
