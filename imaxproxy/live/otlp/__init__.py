"""A run's figures pushed to an OpenTelemetry collector while it goes on (extra `otlp`)."""

from imaxproxy.live.otlp.process import ENDPOINT_PATH, Exporting, OtlpProcess, endpoint_of

__all__ = ["ENDPOINT_PATH", "Exporting", "OtlpProcess", "endpoint_of"]
