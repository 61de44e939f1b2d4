"""Templates become pages: everything that goes into one is escaped unless `report` made it.

Decides how a page is put together. Refuses to know requests; what an endpoint answered is text here and nothing else.
"""

from __future__ import annotations

import datetime
from importlib import resources
from typing import Any

import jinja2

from loadsim.dashboard.copying import as_curl, as_simulation
from loadsim.dashboard.desk import Sent
from loadsim.plan.redact import redact_url
from loadsim.report import figures
from loadsim.report.markup import embedded_json
from loadsim.report.panel import panel_document

CLASSES = {2: "good", 3: "warn"}


class Pages:
    """The page's templates."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("loadsim.dashboard"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            shown=figures.printable,
            ms=figures.milliseconds,
            data=embedded_json,
            clock=_clock,
            count=figures.count,
            masked=redact_url,
        )

    def render(self, template: str, **values: Any) -> str:
        """A page, or a part of one."""
        return self._environment.get_template(template).render(values)

    def panel(self, sent: Sent) -> str:
        """The result panel of a simulation."""
        simulation, delivery = sent.simulation, sent.delivery
        return self.render(
            "panel.html",
            sent=sent,
            shown=panel_document(simulation),
            kind=kind_of(sent),
            curl=as_curl(simulation, delivery.target, f"{sent.at:%Y-%m-%d %H:%M:%S} UTC"),
            command=as_simulation(simulation, delivery.endpoint, delivery.target),
        )

    def row(self, sent: Sent) -> str:
        """Its line in the history."""
        return self.render("row.html", sent=sent, kind=kind_of(sent), status=status_of(sent))


def kind_of(sent: Sent) -> str:
    """The colour of a status: good, warn or bad."""
    answer = sent.simulation.answer
    return "bad" if answer is None else CLASSES.get(answer.status // 100, "bad")


def status_of(sent: Sent) -> str:
    """The status, or that there is none."""
    answer = sent.simulation.answer
    return "no answer" if answer is None else str(answer.status)


def static_file(name: str) -> bytes:
    """A style sheet or a script of ours; the report's own come from there. Raises OSError when there is none."""
    room = "loadsim.report" if name in ("page.css", "page.js") else "loadsim.dashboard"
    place = resources.files(room)
    return (place if room == "loadsim.report" else place / "static").joinpath(name).read_bytes()


def _clock(moment: datetime.datetime) -> str:
    return f"{moment:%H:%M:%S}"
