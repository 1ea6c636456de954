import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import Parallel
from tests.launch.plans import plan, recipe, value


def test_the_server_is_a_program_of_its_own() -> None:
    (server,) = plan(recipe("tiny-cpu-llamacpp", model_path="/models/tiny.gguf")).processes
    assert server.argv[0] == "/venv/bin/llama-server"
    assert value(server.argv, "--model") == "/models/tiny.gguf"
    assert value(server.argv, "--alias") == "tiny"
    assert value(server.argv, "--ctx-size") == "32768"  # shared by eight slots of 4,096
    assert "--no-webui" in server.argv


def test_a_model_without_a_path_is_one_of_the_hub() -> None:
    (server,) = plan(recipe("tiny-cpu-llamacpp", model="org/model-GGUF:Q4_K_M", model_path=None)).processes
    assert value(server.argv, "--hf-repo") == "org/model-GGUF:Q4_K_M"


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(UsageError, match=r"parallel: llama-server splits by its own flags"):
        plan(recipe("tiny-cpu-llamacpp", parallel=Parallel(tp=2)))
