"""Recipes, and engines started from them."""

from imaxproxy.launch.recipe import EngineChoice, GpuChoice, Parallel, Recipe, SimulateChoice, load_recipe, recipe_names
from imaxproxy.launch.simulated import EngineError, SimulatedEngine, simulated_argv

__all__ = [
    "EngineChoice",
    "EngineError",
    "GpuChoice",
    "Parallel",
    "Recipe",
    "SimulateChoice",
    "SimulatedEngine",
    "load_recipe",
    "recipe_names",
    "simulated_argv",
]
