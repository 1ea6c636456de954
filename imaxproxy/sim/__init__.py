"""The simulated engine: a step-time model, a continuous-batching scheduler, an OpenAI server.

The door gives the model and the engine core; the server is a process, `python -m imaxproxy.sim`.
"""

from imaxproxy.sim.architecture import Architecture, architecture_names, load_architecture
from imaxproxy.sim.constants import constants_sha256, expected_error, model_version
from imaxproxy.sim.deployment import Deployment
from imaxproxy.sim.engine import Engine, Timer
from imaxproxy.sim.kv import BlockPool, block_hashes
from imaxproxy.sim.pace import FixedPace, ModelPace, Pace
from imaxproxy.sim.scheduler import Scheduler, Step, Stream
from imaxproxy.sim.steady import SteadyState, steady_state
from imaxproxy.sim.step import StepLoad, StepModel

__all__ = [
    "Architecture",
    "BlockPool",
    "Deployment",
    "Engine",
    "FixedPace",
    "ModelPace",
    "Pace",
    "Scheduler",
    "SteadyState",
    "Step",
    "StepLoad",
    "StepModel",
    "Stream",
    "Timer",
    "architecture_names",
    "block_hashes",
    "constants_sha256",
    "expected_error",
    "load_architecture",
    "model_version",
    "steady_state",
]
