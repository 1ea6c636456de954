"""The simulated engine: a step-time model, a continuous-batching scheduler, an OpenAI server.

The door gives the model and the engine core; the server is a process, `python -m imaxproxy.sim`.
"""

from imaxproxy.sim.architecture import Architecture, architecture_names, load_architecture
from imaxproxy.sim.args import SimArgs, parse_args
from imaxproxy.sim.assembly import Assembly, Models, assemble, load_models
from imaxproxy.sim.constants import constants_sha256, expected_error, model_version
from imaxproxy.sim.curve import CurvePoint, predict_curve
from imaxproxy.sim.cut import Cutter
from imaxproxy.sim.deployment import Deployment
from imaxproxy.sim.engine import Engine, Timer
from imaxproxy.sim.kv import BlockPool, block_hashes
from imaxproxy.sim.pace import FixedPace, ModelPace, Pace
from imaxproxy.sim.points import Point, PredictedPoint, errors_by_group, predict_point, read_points
from imaxproxy.sim.power import SAMPLE_NS, Boards, EnergyCounter, PowerModel
from imaxproxy.sim.reply import ReplyShape
from imaxproxy.sim.request import Api, BadRequest, CompletionRequest, Limits, parse_request
from imaxproxy.sim.scheduler import Scheduler, Step, Stream
from imaxproxy.sim.steady import SteadyState, steady_state
from imaxproxy.sim.step import StepLoad, StepModel
from imaxproxy.sim.virtual import VirtualCluster
from imaxproxy.sim.virtual_stream import Patience, VirtualStream
from imaxproxy.sim.whole_reply import said_message

__all__ = [
    "SAMPLE_NS",
    "Api",
    "Architecture",
    "Assembly",
    "BadRequest",
    "BlockPool",
    "Boards",
    "CompletionRequest",
    "CurvePoint",
    "Cutter",
    "Deployment",
    "EnergyCounter",
    "Engine",
    "FixedPace",
    "Limits",
    "ModelPace",
    "Models",
    "Pace",
    "Patience",
    "Point",
    "PowerModel",
    "PredictedPoint",
    "ReplyShape",
    "Scheduler",
    "SimArgs",
    "SteadyState",
    "Step",
    "StepLoad",
    "StepModel",
    "Stream",
    "Timer",
    "VirtualCluster",
    "VirtualStream",
    "architecture_names",
    "assemble",
    "block_hashes",
    "constants_sha256",
    "errors_by_group",
    "expected_error",
    "load_architecture",
    "load_models",
    "model_version",
    "parse_args",
    "parse_request",
    "predict_curve",
    "predict_point",
    "read_points",
    "said_message",
    "steady_state",
]
