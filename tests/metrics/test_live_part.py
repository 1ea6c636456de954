"""Parts of a live view, in time and side by side."""

from imaxproxy.metrics import LivePart


def part(at_ns: int, since_ns: int, events: int, in_flight: int) -> LivePart:
    made = LivePart(at_ns, since_ns, events=events, in_flight=in_flight, waiting=1, processes=1, dearest_ns=at_ns)
    made.gap_ns.add(at_ns)
    made.tps_now_micro.add(in_flight * 100)
    made.traffic("model", "m").in_flight = in_flight
    made.traffic("model", "m").events = events
    made.streams = [{"id": str(at_ns), "idle_s": 0.1, "tps": 1.0}]
    return made


def test_two_of_one_process_add_up_what_was_counted_and_the_later_one_says_what_is() -> None:
    earlier, later = part(100, 50, 3, 7), part(200, 100, 4, 2)
    both = later.after(earlier)
    assert (both.at_ns, both.since_ns, both.events, both.dearest_ns) == (200, 50, 7, 300)
    assert (both.in_flight, both.waiting, both.processes) == (2, 1, 1)
    assert both.gap_ns.total == 2
    assert both.tps_now_micro == later.tps_now_micro
    assert (both.by["model"]["m"].in_flight, both.by["model"]["m"].events) == (2, 7)
    assert both.streams == later.streams


def test_gauges_and_counts_are_the_whole() -> None:
    one = part(200, 100, 4, 2)
    again = one.counts()
    assert (again.in_flight, again.events, again.by["model"]["m"].in_flight) == (0, 4, 0)
    assert not again.tps_now_micro.total
    gauges = one.gauges()
    assert (gauges.in_flight, gauges.events, gauges.gap_ns.total, gauges.at_ns) == (2, 0, 0, 0)
    again.merge_counts(gauges)
    again.streams = gauges.streams
    assert again.as_row() == one.as_row()
