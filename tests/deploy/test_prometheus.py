"""Scrape and alert rules, by Prometheus' own tool."""

from deploy.files import DEPLOY, run

FOLDER = DEPLOY / "prometheus"


def test_the_scrape_configuration() -> None:
    assert "is valid" in run("promtool", "check", "config", "prometheus.yml", folder=FOLDER)


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    said = run("promtool", "test", "rules", "alerts_test.yml", folder=FOLDER)
    assert said.split()[-1] == "SUCCESS"
