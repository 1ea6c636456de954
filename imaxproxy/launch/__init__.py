"""Recipes, and engines started from them."""

from imaxproxy.launch.recipe import (
    DisaggregatedChoice,
    EngineChoice,
    GpuChoice,
    Parallel,
    Recipe,
    SimulateChoice,
    SpeculationChoice,
    load_recipe,
    recipe_names,
)
from imaxproxy.launch.simulated import EngineError, SimulatedEngine, simulated_argv

__all__ = [
    "DisaggregatedChoice",
    "EngineChoice",
    "EngineError",
    "GpuChoice",
    "Parallel",
    "Recipe",
    "SimulateChoice",
    "SimulatedEngine",
    "SpeculationChoice",
    "load_recipe",
    "recipe_names",
    "simulated_argv",
]
