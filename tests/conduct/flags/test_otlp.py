import pytest
from cli.command import Command, write_trace
from live.otlp.receiver import receiving

from imaxproxy.conduct.flags.otlp import check_otlp
from imaxproxy.errors import UsageError


def test_a_replay_is_pushed_to_a_collector(command: Command) -> None:
    trace = write_trace(command.folder / "t.jsonl", 5, output_length=4)
    with receiving() as receiver:
        flags = ("--engine", "fixed-5ms", "--simulate", "--out", "run", "--json", "--otlp", receiver.url)
        command.run("replay", trace, *flags).check(0)
        (tokens,) = [
            point
            for point in receiver.metrics()["gen_ai.client.token.usage"].histogram.data_points
            if any(each.value.string_value == "output" for each in point.attributes)
        ]
        assert (tokens.count, tokens.sum) == (5, 20.0)
        assert receiver.resource()["imaxproxy.simulated"] is True


@pytest.mark.parametrize("flags", [{"otlp": "nowhere"}, {"otlp": "http://h:4318", "virtual": True}])
def test_what_cannot_be_is_said_before_anything_runs(flags: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--otlp"):
        check_otlp(flags)


def test_nothing_is_asked_of_who_does_not_export() -> None:
    check_otlp({})
