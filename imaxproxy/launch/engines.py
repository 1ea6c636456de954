"""The engines that can be launched."""

from imaxproxy.errors import UsageError
from imaxproxy.launch.argv import refuse
from imaxproxy.launch.dynamo import DYNAMO
from imaxproxy.launch.engine import Engine, Place, Plan
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


def plan_of(recipe: Recipe, place: Place) -> Plan:
    """What starting the recipe takes. Raises UsageError for what its engine cannot do, or not in one place."""
    engine, nodes = engine_of(recipe), recipe.parallel.nodes
    if nodes > 1 and not engine.meeting_ports:
        able = " and ".join(name for name, each in ENGINES.items() if each.meeting_ports)
        raise refuse(recipe, "parallel.nodes", f"{engine.name} is launched on one node only; {able} span several")
    if nodes > 1 and place.part is None:
        raise UsageError(
            f"recipe {recipe.name} spans {nodes} nodes, and is launched on those of a Ray cluster: imaxproxy replay "
            "TRACE --engine RECIPE --ray auto --engine-replicas 1; or add --simulate"
        )
    return engine.plan(recipe, place)


def model_engine(recipe: Recipe) -> Engine:
    """The engine that holds the model: with Dynamo that of its workers."""
    return ENGINES.get(recipe.engine.backend or "", engine_of(recipe))
