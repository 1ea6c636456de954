"""Images that several tests run."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.images import Images, skip_unless_possible


@pytest.fixture(scope="session")
def images() -> Iterator[Images]:
    """In memory: some 30,000 small files, of which nothing shall stay."""
    skip_unless_possible()
    made = Images(Path(tempfile.mkdtemp(prefix="imaxproxy-images-", dir="/dev/shm")))
    try:
        made.make_debian("python3-venv", "python3-dev", "ca-certificates")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def imaxproxy_image(images: Images) -> str:
    images.name_base("library/python:3.13-slim", "python3 -m venv /usr/local")
    images.build("docker/Dockerfile", "imaxproxy:0.1.0")
    return "localhost/imaxproxy:0.1.0"
