"""What vLLM's own code finds in our detailed `vllm bench serve` result. Runs in the peers' interpreter; not a test.

Each request becomes the RequestFuncOutput that vLLM's client would have made; its `calculate_metrics` and the user
count of its `plot_pareto` are printed as JSON.
"""

import json
import sys
from pathlib import Path

from benchmarks.vllm_client import stub, stub_vllm


def main() -> None:
    stub_vllm()
    stub("vllm.utils.collection_utils", full_groupby=None)
    from vllm.benchmarks import serve
    from vllm.benchmarks.lib.endpoint_request_func import RequestFuncOutput
    from vllm.benchmarks.sweep.plot import _json_load_bytes
    from vllm.benchmarks.sweep.plot_pareto import _infer_user_count

    result = _json_load_bytes(Path(sys.argv[1]))
    lists = ("input_lens", "output_lens", "ttfts", "itls", "latencies", "start_times", "errors")
    outputs = [
        RequestFuncOutput(
            success=not error, prompt_len=given, output_tokens=made, ttft=ttft, itl=itl, latency=latency,
            start_time=start, error=error,
        )
        for given, made, ttft, itl, latency, start, error in zip(*(result[name] for name in lists), strict=True)
    ]  # fmt: skip
    metrics, _ = serve.calculate_metrics([], outputs, result["duration"], None, [50.0, 90.0, 95.0, 99.0], {})
    found = vars(metrics) | {"users": _infer_user_count(result, None)}
    print(json.dumps(found, default=float))


if __name__ == "__main__":
    main()
