"""Makes the dashboard's pages from templates. Every value is escaped, except markup that `report` made."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import jinja2

from loadsim.dashboard.command_lines import curl_command, simulate_command
from loadsim.dashboard.sent_simulations import SentSimulation
from loadsim.extras import install
from loadsim.plan.redact import redact_url
from loadsim.report import numbers
from loadsim.report.html_markup import embedded_json
from loadsim.single.simulation_document import simulation_document

SECTIONS = (("simulations", "/", "Simulations"), ("load", "/load", "Load runs"), ("runs", "/runs", "Runs"))
"""Name, path and title of the pages to which each page links."""
_OWN_FILES, _REPORT_FILES = Path(__file__).with_name("static"), Path(numbers.__file__).parent
CLASSES = {2: "good", 3: "warn"}


class Pages:
    """The templates of all pages."""

    def __init__(self, sections: tuple[tuple[str, str, str], ...] = SECTIONS) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("loadsim.dashboard"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(sections=sections, install=install("dashboard"))
        self._environment.filters.update(
            shown=numbers.printable,
            ms=numbers.milliseconds,
            data=embedded_json,
            clock=_clock,
            count=numbers.count,
            masked=redact_url,
        )

    def render(self, template: str, **values: Any) -> str:
        """A page or a part of one."""
        return self._environment.get_template(template).render(values)

    def panel(self, sent: SentSimulation) -> str:
        """The result panel of a simulation."""
        simulation, delivery = sent.simulation, sent.delivery
        return self.render(
            "panel.html",
            sent=sent,
            shown=simulation_document(simulation, sent.at),
            kind=kind_of(sent),
            curl=curl_command(simulation, delivery.target, f"{sent.at:%Y-%m-%d %H:%M:%S} UTC"),
            command=simulate_command(simulation, delivery.endpoint, delivery.target),
        )

    def row(self, sent: SentSimulation) -> str:
        """The simulation's row in the history."""
        return self.render("row.html", sent=sent, kind=kind_of(sent), status=status_of(sent))


def kind_of(sent: SentSimulation) -> str:
    """The colour class of the response status: good, warn or bad."""
    answer = sent.simulation.answer
    return "bad" if answer is None else CLASSES.get(answer.status // 100, "bad")


def status_of(sent: SentSimulation) -> str:
    """The response status, or `no answer`."""
    answer = sent.simulation.answer
    return "no answer" if answer is None else str(answer.status)


def static_file(name: str) -> bytes:
    """A style sheet or script, of the dashboard or of the report page. Raises OSError when there is none."""
    if name in ("page.css", "page.js"):
        return _REPORT_FILES.joinpath(name).read_bytes()
    return _OWN_FILES.joinpath(name).read_bytes()


def _clock(instant: datetime.datetime) -> str:
    return f"{instant:%H:%M:%S}"
