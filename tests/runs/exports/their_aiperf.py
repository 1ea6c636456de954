"""What AIPerf's own plots read of our export. Runs in AIPerf's interpreter; not a test."""

import json
import sys
from pathlib import Path

from aiperf.common.models.export_models import JsonExportData
from aiperf.common.models.record_models import MetricRecordInfo
from aiperf.plot.core.data_loader import DataLoader


def main() -> None:
    folder = Path(sys.argv[1])
    whole = JsonExportData.model_validate_json((folder / "profile_export_aiperf.json").read_text())
    lines = (folder / "profile_export.jsonl").read_text().splitlines()
    records = [MetricRecordInfo.model_validate_json(line) for line in lines]
    run = DataLoader().load_run(folder)
    assert run.requests is not None
    found = {
        "model": run.metadata.model,
        "concurrency": run.metadata.concurrency,
        "requests": run.metadata.request_count,
        "rows": len(run.requests),
        "failed": sum(record.error is not None for record in records),
        "ttft_p50_ms": float(run.requests["time_to_first_token"].median()),
        "schema": whole.schema_version,
        "latency": run.get_metric("request_latency"),
        "throughput": run.get_metric("output_token_throughput"),
    }
    print(json.dumps(found, default=lambda value: value.model_dump() if hasattr(value, "model_dump") else float(value)))


if __name__ == "__main__":
    main()
