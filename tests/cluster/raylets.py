"""A Ray cluster of several raylets on loopback, as a process: prints its address, does what lines of stdin say.

`python raylets.py '{"raylets": 3, "cpus": 4, "gpus": 0, "environments": []}'`: what each has, and what each one's
processes find in their environment, in order; the first raylet is the head. `kill I` ends raylet I at once, as a power
cut would; `add PYTHONPATH` brings one more up that imports from there; the end of stdin ends all.
"""

import json
import logging
import os
import sys
import warnings

warnings.simplefilter("ignore")
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

_STORE_BYTES = 80_000_000


def main() -> None:
    from ray.cluster_utils import Cluster

    logging.disable(logging.CRITICAL)
    asked = json.loads(sys.argv[1])
    environments = asked["environments"] or [{}] * asked["raylets"]
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what Ray prints
    options = {"num_cpus": asked["cpus"], "num_gpus": asked["gpus"], "object_store_memory": _STORE_BYTES}
    head = options | {"include_dashboard": False, "env_vars": environments[0]}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    others = [cluster.add_node(wait=False, env_vars=each, **options) for each in environments[1:]]
    nodes = [cluster.head_node, *others]
    cluster.wait_for_nodes()
    print(json.dumps({"address": cluster.address}), file=told)
    for line in sys.stdin:
        word, what = line.split()
        if word == "add":
            nodes.append(cluster.add_node(wait=True, env_vars={"PYTHONPATH": what}, **options))
        else:
            assert word == "kill"
            cluster.remove_node(nodes[int(what)], allow_graceful=False)
        print(json.dumps({word: what}), file=told)
    cluster.shutdown()


if __name__ == "__main__":
    main()
