"""What OpenTelemetry's own messages and names make of our OTLP/JSON. Runs in an interpreter of its own; not a test."""

import json
import sys
from pathlib import Path

from google.protobuf import json_format
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics


def main() -> None:
    data = json_format.Parse(Path(sys.argv[1]).read_text(), MetricsData())  # an unknown field is an error
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    named = {value for modules in (gen_ai_metrics,) for value in vars(modules).values() if isinstance(value, str)}
    attributes = {
        value
        for module in (gen_ai_attributes, error_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    found = {
        "metrics": {metric.name: sum(point.count for point in metric.histogram.data_points) for metric in metrics},
        "unknown_metrics": [metric.name for metric in metrics if metric.name not in named],
        "unknown_attributes": sorted(
            {
                attribute.key
                for metric in metrics
                for point in metric.histogram.data_points
                for attribute in point.attributes
            }
            - attributes
        ),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
