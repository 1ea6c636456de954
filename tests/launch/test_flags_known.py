from dataclasses import replace
from pathlib import Path

from imaxproxy.launch import Finding, Plan, engine_of, flag_findings
from tests.launch.plans import plan, recipe

TINY = "tiny-dynamo-mocker-disaggregated"
HELP = """usage: it [-h]
  --model-path MODEL_PATH   --model-name NAME, --name NAME
  --discovery-backend {file,etcd}  --request-plane X --max-model-len N
  --disaggregation-mode M (see --not-a-flag-of-ours)
"""


def started_by(folder: Path, answer: str, code: int = 0) -> Plan:
    """The plan, each of whose processes is started by a Python that answers so, and counts how often it is asked."""
    (folder / "help.txt").write_text(answer, "utf-8")
    python = folder / "python"
    python.write_text(f"#!/bin/sh\necho asked >> {folder}/asked\ncat {folder}/help.txt\nexit {code}\n", "utf-8")
    python.chmod(0o755)
    return plan(recipe(TINY), bin=folder)


def found(made: Plan) -> list[Finding]:
    one = recipe(TINY)
    workers = tuple(process for process in made.processes if process.name != "frontend")
    return list(flag_findings(one, engine_of(one), replace(made, processes=workers)))


def test_flags_that_the_engine_knows(tmp_path: Path) -> None:
    findings = found(started_by(tmp_path, HELP))
    assert [one.state for one in findings] == ["ok", "ok"]
    assert findings[0].says == "prefill-0: it knows all 6 that the recipe gives"
    assert (tmp_path / "asked").read_text("utf-8") == "asked\n"  # two workers of one program


def test_a_flag_that_it_does_not_know_is_named_with_what_is_near(tmp_path: Path) -> None:
    findings = found(started_by(tmp_path, HELP.replace("--max-model-len", "--max-model-length")))
    assert [one.state for one in findings] == ["missing", "missing"]
    assert "does not know --max-model-len; near it: --max-model-length" in findings[0].says
    assert findings[0].mend is not None


def test_a_help_that_does_not_answer_is_no_verdict(tmp_path: Path) -> None:
    assert [one.state for one in found(started_by(tmp_path, HELP, code=1))] == ["unknown", "unknown"]
    assert [one.state for one in found(started_by(tmp_path, "Traceback"))] == ["unknown", "unknown"]
    assert [one.state for one in found(plan(recipe(TINY), bin=tmp_path / "none"))] == ["unknown", "unknown"]
