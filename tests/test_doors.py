"""A door that opens its modules late gives all that it names, and a data process loads no more than it uses."""

import subprocess
import sys
from importlib import import_module

import pytest

from imaxproxy.doors import opened_late


@pytest.mark.parametrize("room", ["imaxproxy.load", "imaxproxy.runs"])
def test_each_name_is_there_and_is_the_modules_own(room: str) -> None:
    door = import_module(room)
    for name in door.__all__:
        assert getattr(door, name) is not None
        assert name in vars(door), "asked for once"


def test_other_names_are_none_of_the_room() -> None:
    with pytest.raises(AttributeError, match=r"module 'imaxproxy\.load' has no attribute 'nonsense'"):
        opened_late("imaxproxy.load", {"Cancel": "cancel"})("nonsense")
    with pytest.raises(ImportError, match="cannot import name 'nonsense'"):
        exec("from imaxproxy.load import nonsense")


def test_the_player_process_knows_no_traces_no_power_and_no_prices() -> None:
    """What it imports is paid for beside each replay, once a worker."""
    asked = "import sys, imaxproxy.conduct.replay.worker; print(*(name for name in sys.modules if 'imaxproxy' in name))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split() if "." in name}
    assert rooms >= {"load", "wire", "metrics", "runs"}
    assert not rooms & {"traces", "economics", "power", "report", "sim", "launch", "proxy"}
