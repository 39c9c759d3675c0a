"""The generated pages say what the manifests say."""

from __future__ import annotations

from pathlib import Path

from manifests.documents import access_page, objects_page, template
from manifests.reading import Object

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_objects_is_up_to_date(production: list[Object]) -> None:
    assert (DOCS / "objects.md").read_text() == objects_page(production), "run `make objects`"


def test_the_page_of_rights_is_up_to_date(production: list[Object]) -> None:
    both = template("data")["Resources"] | template("cluster")["Resources"]
    assert (DOCS / "access.md").read_text() == access_page(both, production), "run `make objects`"


def test_every_alert_has_its_run_book(production: list[Object]) -> None:
    (rules,) = [item for item in production if item["kind"] == "PrometheusRule"]
    headings = {
        line.removeprefix("### ").strip().lower()
        for line in (DOCS / "operations.md").read_text().splitlines()
        if line.startswith("### ")
    }
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len(alerts) >= 12
    for rule in alerts:
        name = rule["alert"].lower()
        assert name in headings, rule["alert"]
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name}"
        assert rule["labels"]["severity"] in {"page", "ticket"}
