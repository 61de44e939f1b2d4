// Draws a load run while it is in progress, and says how it ended.
import { ask, byId, showProblem, trying } from "./shared.js";

const [live, state, stop, outcome] = ["live", "state", "stop", "outcome"].map(byId);
const WORDS = { starting: "starting", running: "running", stopping: "stopping: events in flight may still end", waiting: "waiting for effects", judging: "judging", done: "ended", failed: "failed", cancelled: "stopped" };
const MOST_POINTS = 7200;

let points = [];
let source = null;
let drawing = 0;
let run = null;
let changed = () => {};

const over = () => ["done", "failed", "cancelled"].includes(run.state);
const count = (value) => Math.round(value).toLocaleString("en");
const rate = (value) => value === null ? "n/a" : `${Number(value.toPrecision(3)).toLocaleString("en")}/s`;
const time = (ms) => {
  if (ms === null || ms === undefined) return "n/a";
  const [scale, unit] = ms >= 1000 ? [0.001, "s"] : ms >= 1 || ms === 0 ? [1, "ms"] : [1000, "µs"];
  return `${Number((ms * scale).toPrecision(3)).toLocaleString("en")} ${unit}`;
};

const tiles = (point) => {
  for (const tile of live.querySelectorAll("[data-tile]")) {
    const name = tile.dataset.tile;
    if (!point) tile.textContent = "–";
    else tile.textContent = name === "lag" ? time(run.lag ?? point.total_lag) : count(point[name]); // at the end, the lag that the report and the reasons have
    tile.classList.toggle("bad", ["failed_status", "errors"].includes(name) && point?.[name] > 0);
  }
};

const words = () => {
  const point = points.at(-1);
  if (!point) return "";
  const ended = over() || run.state === "judging";
  const [passed, whole] = [`${point.elapsed.toFixed(1)} s`, run.duration_s ? ` of ${run.duration_s} s` : ""];
  if (run.state === "waiting") return point.wait || "looking for the last effects";
  const parts = [ended ? `${passed} in total${run.exit_code === 130 ? ", stopped early" : ""}` : `${point.phase} · ${passed}${whole}`];
  parts.push(`${ended ? "" : "so far "}p50 ${time(point.total_p50)}, p99 ${time(point.total_p99)}`);
  if (point.lost.length) parts.push(`lost shards: ${point.lost.join(", ")}`);
  return parts.join(" · ");
};

const line = (name, key, shown, colour, extra = {}, at = "at") => {
  const fresh = points.filter((point) => point.fresh || at !== "at");
  const y = fresh.map((point) => point[key]);
  return {
    type: "scatter", mode: fresh.length < 40 ? "lines+markers" : "lines", name, x: fresh.map((point) => point[at]), y, text: y.map(shown),
    line: { color: colour, width: 2, ...extra }, marker: { size: 4 }, hovertemplate: `${name} %{text}<extra></extra>`,
  };
};

// A logarithmic axis, as in the report, since p50 and max may lie far apart. Ticks at 1, 2 and 5 of each decade, or at 1 only.
const logarithmic = (traces) => {
  const values = traces.flatMap((trace) => trace.y).filter((value) => value > 0);
  if (values.length === 0) return {};
  const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const [first, last] = [Math.floor(low), Math.ceil(high)];
  const tickvals = [];
  for (let power = first; power <= last; power += 1) for (const step of last - first <= 2 ? [1, 2, 5] : [1]) tickvals.push(step * 10 ** power);
  return { type: "log", tickvals, ticktext: tickvals.map(time), range: [low - 0.1, high + 0.1], rangemode: "normal" };
};

const draw = () => {
  drawing = 0;
  if (!globalThis.Plotly) return;
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = { gridcolor: colour("grid"), linecolor: colour("line"), zeroline: false, automargin: true };
  const charts = {
    rates: { traces: [line("planned", "due_rate", rate, colour("planned"), { dash: "dash", width: 1.5 }), line("sent", "sent_rate", rate, colour("sent"), { width: 1.5 }), line("done", "done_rate", rate, colour("completed"))] },
    latency: { axis: logarithmic, traces: [line("max", "max", time, colour("max"), { dash: "dot", width: 1.3 }), line("p99", "p99", time, colour("p99")), line("p50", "p50", time, colour("p50"))] },
    flight: { traces: [line("in flight", "in_flight", count, colour("completed")), line("waiting", "queued", count, colour("sent"), { width: 1.5 })] },
    failures: { traces: [line("failed", "failed_rate", rate, colour("bad"))] },
    lag: { unit: " ms", traces: [line("lag p99", "lag", time, colour("service"))] },
    // also after the load, when no frames come any more
    effects: { traces: [line("acknowledged", "acknowledged", count, colour("sent"), { width: 1.5 }, "elapsed"), line("effects", "effects", count, colour("completed"), {}, "elapsed")] },
  };
  for (const [name, chart] of Object.entries(charts)) {
    const place = byId(`live-${name}`);
    if (place.closest("figure").hidden) continue;
    const empty = chart.traces.every((trace) => trace.y.every((value) => value === null));
    const few = "no event has ended yet";
    const layout = {
      annotations: empty && points.length > 3 ? [{ text: few, xref: "paper", yref: "paper", x: 0.5, y: 0.5, showarrow: false, font: { color: colour("muted"), size: 13 } }] : [],
      xaxis: { ...axis, ticksuffix: " s", rangemode: "tozero" },
      yaxis: { ...axis, rangemode: "tozero", ticksuffix: chart.unit ?? "", nticks: 5, ...chart.axis?.(chart.traces) },
      autosize: true, hovermode: "x unified", dragmode: false, showlegend: chart.traces.length > 1,
      legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
      margin: { l: 8, r: 10, t: chart.traces.length > 1 ? 26 : 10, b: 8 },
      paper_bgcolor: colour("card"), plot_bgcolor: colour("card"), font: { color: colour("ink"), family: "system-ui, sans-serif", size: 12 },
      hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } },
    };
    Plotly.react(place, chart.traces, layout, { responsive: true, displayModeBar: false }).then(() => { place.dataset.points = String(chart.traces[0].x.length); });
  }
};
const redraw = () => { drawing ||= requestAnimationFrame(draw); };

const showState = (now) => {
  run = now;
  Object.assign(live.dataset, { number: run.number, state: run.state }); // which run it is, and how far
  byId("going").hidden = over() && points.length === 0; // nothing was sent, so there is nothing to draw
  byId("progress").hidden = byId("going").hidden;
  for (const lag of [byId("live-lag").closest("figure"), live.querySelector("[data-tile=lag]").parentElement]) lag.hidden = run.model === "closed"; // a closed run has no due times, so it has no lag
  for (const part of [byId("live-effects").closest("figure"), ...["acknowledged", "effects", "backlog"].map((name) => live.querySelector(`[data-tile=${name}]`).parentElement)]) part.hidden = !run.effects;
  byId("title-live").textContent = run.name;
  const kinds = { pass: "good", fail: "bad", invalid: "warn", none: "none" };
  state.textContent = run.verdict ?? WORDS[run.state];
  state.className = `chip ${over() ? kinds[run.outcome] ?? (run.state === "cancelled" ? "none" : "bad") : "live"}`;
  const nothingToStop = over() || run.state === "judging";
  if (stop) {
    if (nothingToStop && document.activeElement === stop) byId("title-live").focus({ preventScroll: true }); // a hidden button cannot keep the focus
    stop.hidden = nothingToStop;
    stop.textContent = { stopping: "End at once", waiting: "Wait no longer" }[run.state] ?? "Stop";
  }
  changed(over());
  outcome.hidden = !(over() || run.notes.length > 0);
  outcome.className = `note ${over() ? kinds[run.outcome] ?? (run.state === "cancelled" ? "none" : "bad") : "warn"}`;
  outcome.replaceChildren(...summary());
  if (over()) {
    byId("progress").value = 1;
    tiles(points.at(-1));
  }
  byId("live-words").textContent = words();
};

const element = (name, ...inside) => {
  const made = document.createElement(name);
  made.append(...inside);
  return made;
};
const summary = () => {
  const parts = over() ? [element("p", run.text || run.headline)] : [];
  const lines = [...run.notes, ...run.reasons];
  if (lines.length) parts.push(element("ul", ...lines.map((text) => element("li", text))));
  if (run.directory && live.dataset.reports) parts.push(element("p", Object.assign(element("a", "Read the report"), { href: `${live.dataset.reports}${run.directory}` })));
  else if (run.report) parts.push(element("p", "The report is ", element("code", run.report), "."));
  return parts;
};

// `told` is called with every new state: is the run over?
export const follow = (begun, told = () => {}) => {
  source?.close();
  changed = told;
  points = [];
  live.hidden = false;
  tiles(null);
  byId("progress").value = 0;
  showState(begun);
  redraw();
  source = new EventSource("/load/stream");
  source.addEventListener("open", () => showProblem(byId("live-problem")));
  source.addEventListener("error", () => {
    if (!over()) showProblem(byId("live-problem"), "The connection to loadsim is lost, and tried again. Has the command ended?");
  });
  source.addEventListener("point", (message) => {
    const point = JSON.parse(message.data);
    points.push(point);
    if (points.length > MOST_POINTS) points.shift();
    tiles(point);
    byId("live-words").textContent = words();
    if (run.duration_s) byId("progress").value = Math.min(1, point.elapsed / run.duration_s);
    else byId("progress").removeAttribute("value");
    redraw();
  });
  source.addEventListener("state", (message) => {
    showState(JSON.parse(message.data));
    if (over()) source.close();
  });
};

// The new state comes by the stream: the answer to this request may come after the run has ended.
stop?.addEventListener("click", () => trying(byId("live-problem"), stop, () => ask("/load/stop", {})));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("load", () => { // the library may come after the first points
  byId("no-charts").hidden = Boolean(globalThis.Plotly);
  byId("charts").hidden = !globalThis.Plotly;
  redraw();
});
