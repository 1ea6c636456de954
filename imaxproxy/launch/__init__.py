"""Recipes, and engines started from them."""

from imaxproxy.launch.argv import shell_form
from imaxproxy.launch.check import Finding, check
from imaxproxy.launch.checkpoint import CheckpointFound
from imaxproxy.launch.death import Death
from imaxproxy.launch.engine import (
    Engine,
    Failure,
    MemoryFraction,
    MetricsPage,
    Milestone,
    NodePart,
    Place,
    Plan,
    Process,
    Readiness,
    Stopping,
)
from imaxproxy.launch.engine_log import LogReader
from imaxproxy.launch.engines import ENGINES, engine_of, model_engine, plan_of
from imaxproxy.launch.environment import engine_bin
from imaxproxy.launch.facts import Facts, Needs, gather
from imaxproxy.launch.first_token import Door
from imaxproxy.launch.flags_known import flag_findings
from imaxproxy.launch.gpus import GpuFound, GpusFound, find_gpus
from imaxproxy.launch.installed import Installed
from imaxproxy.launch.launched import Launch, LaunchedEngine, StartTimes
from imaxproxy.launch.limits import stated_limits
from imaxproxy.launch.metrics_process import MetricsProcess
from imaxproxy.launch.port import check_port, free_port
from imaxproxy.launch.prepare import check_launchable, describe, pinned_gpus, prepare
from imaxproxy.launch.process import EngineError
from imaxproxy.launch.recipe import (
    CPU,
    NO_GPU,
    NO_HARDWARE,
    DisaggregatedChoice,
    EngineChoice,
    GpuChoice,
    Limits,
    Parallel,
    Recipe,
    SimulateChoice,
    SpeculationChoice,
    with_model_path,
)
from imaxproxy.launch.recipe_reader import load_recipe, recipe_names, whole_document
from imaxproxy.launch.recipe_text import RecipeText, read_recipe_text
from imaxproxy.launch.running import READY, Register, RunningEngine
from imaxproxy.launch.simulated import SimulatedEngine, simulated_argv
from imaxproxy.launch.variant import toml_text, vary

__all__ = [
    "CPU",
    "ENGINES",
    "NO_GPU",
    "NO_HARDWARE",
    "READY",
    "CheckpointFound",
    "Death",
    "DisaggregatedChoice",
    "Door",
    "Engine",
    "EngineChoice",
    "EngineError",
    "Facts",
    "Failure",
    "Finding",
    "GpuChoice",
    "GpuFound",
    "GpusFound",
    "Installed",
    "Launch",
    "LaunchedEngine",
    "Limits",
    "LogReader",
    "MemoryFraction",
    "MetricsPage",
    "MetricsProcess",
    "Milestone",
    "Needs",
    "NodePart",
    "Parallel",
    "Place",
    "Plan",
    "Process",
    "Readiness",
    "Recipe",
    "RecipeText",
    "Register",
    "RunningEngine",
    "SimulateChoice",
    "SimulatedEngine",
    "SpeculationChoice",
    "StartTimes",
    "Stopping",
    "check",
    "check_launchable",
    "check_port",
    "describe",
    "engine_bin",
    "engine_of",
    "find_gpus",
    "flag_findings",
    "free_port",
    "gather",
    "load_recipe",
    "model_engine",
    "pinned_gpus",
    "plan_of",
    "prepare",
    "read_recipe_text",
    "recipe_names",
    "shell_form",
    "simulated_argv",
    "stated_limits",
    "toml_text",
    "vary",
    "whole_document",
    "with_model_path",
]
