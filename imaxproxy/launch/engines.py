"""The engines that can be launched."""

from imaxproxy.launch.dynamo import DYNAMO
from imaxproxy.launch.engine import Engine
from imaxproxy.launch.llamacpp import LLAMACPP
from imaxproxy.launch.recipe import Recipe
from imaxproxy.launch.sglang import SGLANG
from imaxproxy.launch.transformers_serve import TRANSFORMERS
from imaxproxy.launch.trtllm import TRTLLM
from imaxproxy.launch.vllm import VLLM

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (VLLM, SGLANG, TRTLLM, DYNAMO, LLAMACPP, TRANSFORMERS)}


def engine_of(recipe: Recipe) -> Engine:
    """The engine that a recipe names; its reader knows no other names."""
    return ENGINES[recipe.engine.name]


def model_engine(recipe: Recipe) -> Engine:
    """The engine that holds the model: with Dynamo that of its workers."""
    return ENGINES.get(recipe.engine.backend or "", engine_of(recipe))
