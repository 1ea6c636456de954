"""The cluster file of `ray up`."""

import pytest
import yaml

from deploy.files import DEPLOY

pytestmark = pytest.mark.deploy


def test_ray_takes_the_cluster_file() -> None:
    """As `ray up` does first: its defaults, then its schema."""
    util = pytest.importorskip("ray.autoscaler._private.util", reason="ray is not installed")
    util.validate_config(util.prepare_config(yaml.safe_load((DEPLOY / "ray" / "cluster.yaml").read_text())))
