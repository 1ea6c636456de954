"""Nodes of a cluster on the screen: in a panel of their own, and at its top when one is in trouble."""

from typing import Any

from imaxproxy.live.screen.frame import frame
from imaxproxy.live.screen.panels.nodes import short_names
from imaxproxy.live.screen.plain import line
from live.samples import scene, snapshot

BLOCK = {"count": 40, "p50": 81.0, "p90": 120.0, "p99": 190.0, "mean": 88.0}


def node(name: str, state: str = "playing", **changed: object) -> dict[str, Any]:
    row = {
        "name": name,
        "state": state,
        "why": None,
        "slow": None,
        "age_s": 0.4,
        "workers": 4,
        "engine": None,
        "in_flight": 25,
        "requests": 1200,
        "errors": 0,
        "output_tokens_per_s": 4012.0,
        **dict.fromkeys(("ttft_now_ms", "ttft_ms", "send_lag_ms", "loop_lag_ms"), BLOCK),
        "clock_error_ms": 0.3,
    }
    return row | changed


WELL = [node("gpu-1"), node("gpu-2")]
ILL = [
    node("gpu-1"),
    node("gpu-2", slow="median TTFT 300.0 ms, the others' 81.0"),
    node("gpu-3", "silent", age_s=7.2),
    node("gpu-4", "lost", why="it died", age_s=None, in_flight=0),
]


def drawn(nodes: list[dict[str, Any]], *keys: str, width: int = 120, height: int = 40) -> str:
    shown = scene(snapshot(source="replay", nodes=nodes, meter={"valid": True}, progress=None), *keys)
    lines = frame(shown, width, height)
    assert len(lines) == height
    assert {text.cell_len for text in lines} == {width}
    return "\n".join(text.plain for text in lines)


def test_a_run_on_nodes_opens_on_them() -> None:
    text = drawn(WELL)
    assert " Nodes " in text
    for wanted in ("gpu-1", "gpu-2", "heard", "TTFT p50", "4,012", "0.4 s"):
        assert wanted in text
    assert "By upstream" not in text  # others make room
    assert "said nothing" not in text


def test_trouble_stands_first_and_at_the_top() -> None:
    text = drawn(ILL)
    assert "node gpu-3 has said nothing for 7 s: its last figures stand here; node gpu-4 is lost: it died" in text
    order = [text.index(f" {mark} ") for mark in ("✗  gpu-4", "◌  gpu-3", "●  gpu-2", "●  gpu-1")]
    assert order == sorted(order)
    assert "SILENT" in text
    wide = drawn(ILL, width=200, height=60)
    assert "SLOW: median" in wide
    assert "send    loop  what" in wide


def test_it_has_a_key_sorts_and_filters_like_the_others() -> None:
    text = drawn(ILL, "1", "0", "s", "s", "s", "s", "s", "/", "g", "p", "u", "-", "2", "enter")
    assert "gpu-2" in text
    assert "●  gpu-1" not in text
    assert "Nodes" in drawn(WELL, "0", width=80, height=24)
    assert "one machine plays" in drawn([], "0")


def test_nodes_of_one_host_differ_in_their_id_and_others_in_their_host() -> None:
    assert short_names(["a 10.0.0.1 17f3", "b 10.0.0.2 2203"]) == {"a 10.0.0.1 17f3": "a", "b 10.0.0.2 2203": "b"}
    assert list(short_names(["a 10.0.0.1 17f3", "a 10.0.0.1 2203"]).values()) == ["a 17f3", "a 2203"]


def test_trouble_of_a_node_does_not_hide_behind_the_meters() -> None:
    shown = scene(snapshot(nodes=ILL, meter={"valid": False, "reasons": ["late"]}))
    text = [line.plain for line in frame(shown, 120, 40)]
    assert "these figures are not to be believed: late" in text[1]
    assert "has said nothing for 7 s" in text[2]


def test_a_line_for_a_log_says_who_is_not_heard() -> None:
    assert "2 of 4 nodes (gpu-3 silent, gpu-4 lost)" in line(snapshot(nodes=ILL))
    assert "2 of 2 nodes" in line(snapshot(nodes=WELL))
    assert "nodes" not in line(snapshot())
