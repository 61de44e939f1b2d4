"""The HTTP routes of the dashboard. Work that needs much processor time runs in a thread."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from loadsim.dashboard import choices
from loadsim.dashboard.answers import guarded_app, html_answer, json_answer, json_body
from loadsim.dashboard.command_lines import run_command
from loadsim.dashboard.forms import WORDS, read_run_form
from loadsim.dashboard.live_stream import PATH as STREAM_PATH
from loadsim.dashboard.live_stream import stream
from loadsim.dashboard.pages import Pages
from loadsim.dashboard.result_store import ResultStore
from loadsim.dashboard.run_slot import RunSlot
from loadsim.dashboard.sent_simulations import SentSimulation, SentSimulations
from loadsim.model import UsageError
from loadsim.plan import EMBEDDED
from loadsim.report import html_page
from loadsim.report.blocks import Report
from loadsim.report.compare_report import compare_report
from loadsim.report.plan_text import render_plan
from loadsim.report.report_formats import FORMATS
from loadsim.report.run_report import run_report
from loadsim.report.trend import trend
from loadsim.run.spec_of_options import compose
from loadsim.single.prepare import prepare

TYPES = {"html": "text/html", "json": "application/json", "k6": "application/json", "junit": "application/xml"}


def make_app(out: Path, token: str, cookie: str, host: str) -> tuple[web.Application, RunSlot]:
    """The application and its run slot. `cookie` is the name of the token's cookie, `host` what the page listens on."""
    pages = Pages()
    slot = RunSlot()
    app = guarded_app(pages, token, cookie, host)
    for part in (_Simulations(pages), _LoadRuns(pages, slot, out), _Runs(pages, slot, ResultStore(out))):
        app.add_routes(part.routes())
    return app, slot


# -- simulations ------------------------------------------------------------------------------------------------------


class _Simulations:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._sent_simulations = SentSimulations()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.page),
            web.get("/samples/{event}", self.sample),
            web.post("/simulations", self.send),
            web.get(r"/simulations/{number:\d{1,9}}", self.show),
            web.post(r"/simulations/{number:\d{1,9}}/again", self.again),
        ]

    async def page(self, request: web.Request) -> web.Response:  # noqa: ARG002
        offer = choices.offer()
        rows = [self._pages.row(sent) for sent in self._sent_simulations.newest_first()]
        return html_answer(self._pages.render("simulations.html", here="simulations", offer=offer, rows=rows))

    async def sample(self, request: web.Request) -> web.Response:
        return json_answer(choices.sample(request.match_info["event"], time.time_ns()))

    async def send(self, request: web.Request) -> web.Response:
        form = await json_body(request)
        endpoint, target = choices.read_endpoint(form)
        event = choices.read_event(endpoint, form)
        return self._answer(await self._sent_simulations.send(prepare(endpoint, target, event, choices.REMEDY)))

    async def again(self, request: web.Request) -> web.Response:
        await json_body(request)
        sent = self._requested(request)
        return self._answer(await self._sent_simulations.send(sent.delivery, again=sent.number))

    async def show(self, request: web.Request) -> web.Response:
        return self._answer(self._requested(request))

    def _requested(self, request: web.Request) -> SentSimulation:
        sent = self._sent_simulations.find(int(request.match_info["number"]))
        if sent is None:
            raise UsageError("that simulation is no longer in the history")
        return sent

    def _answer(self, sent: SentSimulation) -> web.Response:
        simulation = sent.simulation
        word = "delivered" if simulation.delivered else "failed"
        status = simulation.failure.text if simulation.failure else str(simulation.answer and simulation.answer.status)
        return json_answer(
            {
                "number": sent.number,
                "panel": self._pages.panel(sent),
                "row": self._pages.row(sent),
                "announcement": f"{word}: {status}",
            }
        )


# -- load runs --------------------------------------------------------------------------------------------------------


class _LoadRuns:
    def __init__(self, pages: Pages, slot: RunSlot, out: Path) -> None:
        self._pages = pages
        self._slot = slot
        self._out = out

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/load", self.page),
            web.post("/load/plan", self.plan),
            web.post("/load", self.start),
            web.post("/load/stop", self.stop),
            web.get(STREAM_PATH, self.stream),
        ]

    async def page(self, request: web.Request) -> web.Response:  # noqa: ARG002
        run = self._slot.run
        return html_answer(
            self._pages.render(
                "load.html",
                here="load",
                offer=choices.offer(),
                scenarios=choices.scenarios(),
                embedded=EMBEDDED,
                run=None if run is None else run.document(),
                command="" if run is None else run.command,
                out=str(self._out),
            )
        )

    async def plan(self, request: web.Request) -> web.Response:
        what, options = read_run_form(await json_body(request), self._out, check=True)
        composed = await asyncio.to_thread(compose, what, options, WORDS)
        text = render_plan(composed.shown_plan(), composed.objectives)
        return json_answer({"plan": text, "command": run_command(what, options)})

    async def start(self, request: web.Request) -> web.Response:
        self._slot.refuse_second()
        what, options = read_run_form(await json_body(request), self._out, check=False)
        composed = await asyncio.to_thread(compose, what, options, WORDS)
        run = self._slot.start(composed, run_command(what, options))
        return json_answer({"run": run.document(), "command": run.command})

    async def stop(self, request: web.Request) -> web.Response:
        await json_body(request)
        run = self._slot.run
        if run is None or run.over:
            raise UsageError("no run is in progress")
        run.stop()
        return json_answer({"run": run.document()})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The latest run's points and states."""
        run = self._slot.run
        if run is None:
            return web.Response(status=HTTPStatus.NO_CONTENT)  # an EventSource does not reconnect after this status
        return await stream(request, run)


# -- results ----------------------------------------------------------------------------------------------------------


class _Runs:
    def __init__(self, pages: Pages, slot: RunSlot, store: ResultStore) -> None:
        self._pages = pages
        self._slot = slot
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/runs", self.page),
            web.get("/compare", self.compare),
            web.get("/runs/{id}", self.report),
            web.get("/runs/{id}/{form}", self.file),
        ]

    async def page(self, request: web.Request) -> web.Response:
        results, older = await asyncio.to_thread(self._store.newest_first)
        name = request.query.get("scenario") or None
        names = sorted({each.line.name for each in results if each.line})
        chosen = [each for each in results if name is None or (each.line and each.line.name == name)]
        section = None if name is None else trend([each.line for each in chosen if each.line])
        return html_answer(
            self._pages.render(
                "runs.html",
                here="runs",
                results=chosen,
                older=older,
                names=names,
                name=name,
                out=str(self._store.out),
                trend=None if section is None else html_page.chart(section, drawn=True),
                figures={} if section is None else {section.name: section.figure},
            )
        )

    async def report(self, request: web.Request) -> web.Response:
        run_id = request.match_info["id"]
        result = await asyncio.to_thread(self._store.read, run_id)
        report = await asyncio.to_thread(run_report, result)
        return self._show(report, run_id, tuple(FORMATS))

    async def compare(self, request: web.Request) -> web.Response:
        chosen = request.query.getall("run", [])
        if len(chosen) != 2 or chosen[0] == chosen[1]:
            raise UsageError("choose two runs to compare")
        compared = await asyncio.to_thread(self._store.compare, *chosen)
        report = await asyncio.to_thread(compare_report, compared)
        return self._show(report, None, ())

    async def file(self, request: web.Request) -> web.Response:
        """One report format as a download. It is not shown here, since a saved page has its scripts inside."""
        form = FORMATS.get(request.match_info["form"])
        if form is None:
            raise web.HTTPNotFound
        result = await asyncio.to_thread(self._store.read, request.match_info["id"])
        data = await asyncio.to_thread(form.render, result)
        return web.Response(
            body=data,
            content_type=TYPES.get(request.match_info["form"], "text/plain"),
            headers={"Content-Disposition": f'attachment; filename="{form.filename}"'},
        )

    def _show(self, report: Report, run_id: str | None, forms: tuple[str, ...]) -> web.Response:
        shown = {"content": html_page.inside(report, drawn=True), "data": html_page.data(report)}
        page = self._pages.render("report.html", here="runs", report=report, run_id=run_id, forms=forms, **shown)
        return html_answer(page)
