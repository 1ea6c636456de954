"""What SGLang's own code finds in our detailed `bench_serving` line. Runs in the peers' interpreter; not a test."""

import json
import sys
import types
from pathlib import Path

from benchmarks.vllm_client import stub


class NoText:
    """Our lines hold no texts: what SGLang counts anew from them is not compared."""

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        return []


def main() -> None:
    stub("datasets", load_dataset=None)
    stub("sglang.srt")
    stub("sglang.srt.disaggregation")
    stub("sglang.srt.disaggregation.utils", FAKE_BOOTSTRAP_HOST="")
    stub("sglang.srt.utils", is_npu=lambda: False)
    stub("sglang.srt.utils.network", resolve_base_url=None, resolve_host_port=None)
    from sglang.benchmark import serving

    result = json.loads(Path(sys.argv[1]).read_text())
    lists = ("input_lens", "output_lens", "ttfts", "itls", "errors")
    outputs, rows = [], []
    for given, made, ttft, itl, error in zip(*(result[name] for name in lists), strict=True):
        output = serving.RequestFuncOutput()
        output.success, output.output_len, output.ttft, output.itl = not error, made, ttft, itl
        output.latency = ttft + sum(itl)
        outputs.append(output)
        rows.append(types.SimpleNamespace(prompt_len=given, text_prompt_len=given, vision_prompt_len=0))
    metrics, _ = serving.calculate_metrics(rows, outputs, result["duration"], NoText(), result["backend"])
    print(json.dumps(vars(metrics), default=float))


if __name__ == "__main__":
    main()
