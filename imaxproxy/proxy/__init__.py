"""The measuring proxy."""

from imaxproxy.proxy.fleet import Fleet, FleetRules
from imaxproxy.proxy.front import bind
from imaxproxy.proxy.model_map import ModelMap
from imaxproxy.proxy.proxy import Proxy, Sink
from imaxproxy.proxy.routing import Routing
from imaxproxy.proxy.timeouts import Timeouts
from imaxproxy.proxy.upstream_health import HealthRules

__all__ = ["Fleet", "FleetRules", "HealthRules", "ModelMap", "Proxy", "Routing", "Sink", "Timeouts", "bind"]
