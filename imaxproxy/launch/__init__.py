"""Recipes, and engines started from them."""

from imaxproxy.launch.engine import (
    Engine,
    Failure,
    MemoryFraction,
    MetricsPage,
    Milestone,
    Place,
    Plan,
    Process,
    Readiness,
    Stopping,
)
from imaxproxy.launch.engines import ENGINES, engine_of
from imaxproxy.launch.limits import stated_limits
from imaxproxy.launch.recipe import (
    CPU,
    NO_GPU,
    DisaggregatedChoice,
    EngineChoice,
    GpuChoice,
    Limits,
    Parallel,
    Recipe,
    SimulateChoice,
    SpeculationChoice,
)
from imaxproxy.launch.recipe_reader import load_recipe, recipe_names
from imaxproxy.launch.simulated import EngineError, SimulatedEngine, simulated_argv

__all__ = [
    "CPU",
    "ENGINES",
    "NO_GPU",
    "DisaggregatedChoice",
    "Engine",
    "EngineChoice",
    "EngineError",
    "Failure",
    "GpuChoice",
    "Limits",
    "MemoryFraction",
    "MetricsPage",
    "Milestone",
    "Parallel",
    "Place",
    "Plan",
    "Process",
    "Readiness",
    "Recipe",
    "SimulateChoice",
    "SimulatedEngine",
    "SpeculationChoice",
    "Stopping",
    "engine_of",
    "load_recipe",
    "recipe_names",
    "simulated_argv",
    "stated_limits",
]
