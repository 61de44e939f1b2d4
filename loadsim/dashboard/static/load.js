// Start a run, draw it while it goes on, lead on to its report.
import { ask, byId, choose, offer, trying } from "./shared.js";

const [form, live, state, stop, outcome, problem, mix] = ["start", "live", "state", "stop", "outcome", "problem", "mix"].map(byId);
const WORDS = { starting: "starting", running: "running", stopping: "stopping: what is under way may still end", done: "ended", failed: "failed", cancelled: "stopped" };
const KEPT = 7200;

// -- the form ---------------------------------------------------------------------------------------------------------

const kind = () => form.elements.kind.value;
const show = () => {
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== kind();
  for (const part of form.querySelectorAll("[data-model]")) part.hidden = part.dataset.model !== byId("model").value;
  byId("question").textContent = byId("scenario").selectedOptions[0]?.dataset.question ?? "";
  byId("plan").hidden = true;
};

const where = choose((events) => {
  const rows = events.map((name, number) => {
    const row = document.createElement("div");
    row.className = "kind";
    const box = Object.assign(document.createElement("input"), { type: "checkbox", id: `kind-${number}`, checked: true, value: name });
    const label = Object.assign(document.createElement("label"), { htmlFor: box.id, textContent: name });
    const weight = Object.assign(document.createElement("input"), { type: "text", value: "1", inputMode: "decimal", ariaLabel: `Weight of ${name}` });
    box.addEventListener("change", () => { weight.disabled = !box.checked; });
    row.append(box, label, weight);
    return row;
  });
  mix.replaceChildren(mix.querySelector("legend"), ...rows);
  byId("plan").hidden = true;
});

const asked = () => {
  if (kind() === "scenario") return { kind: "scenario", scenario: byId("scenario").value, target: byId("instead").value };
  const chosen = [...mix.querySelectorAll(".kind")].filter((row) => row.querySelector("[type=checkbox]").checked);
  if (chosen.length === 0) throw new Error("Event types: choose one at least");
  const weights = chosen.map((row) => [row.querySelector("[type=checkbox]").value, row.querySelector("[type=text]").value]);
  const plain = chosen.length === mix.querySelectorAll(".kind").length && weights.every(([, weight]) => weight.trim() === "1");
  const fields = Object.fromEntries(["model", "rate", "connections", "duration", "workers", "objectives"].map((name) => [name, byId(name).value]));
  return { kind: "quick", ...where(), ...fields, mix: plain ? {} : Object.fromEntries(weights) };
};

form.addEventListener("change", show);
form.addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  trying(problem, byId("begin"), async () => {
    const answer = await ask("/load", asked());
    byId("live-command").textContent = answer.command;
    follow(answer.run);
    byId("title-live").focus({ preventScroll: true });
    live.scrollIntoView({ block: "start" });
  });
});
byId("show-plan").addEventListener("click", () => trying(problem, byId("show-plan"), async () => {
  const answer = await ask("/load/plan", asked());
  byId("plan-text").textContent = answer.plan;
  byId("plan-command").textContent = answer.command;
  byId("plan").hidden = false;
  byId("title-plan").focus();
}));

// -- the run ----------------------------------------------------------------------------------------------------------

let points = [];
let source = null;
let drawing = 0;

const count = (value) => Math.round(value).toLocaleString("en");
const time = (ms) => {
  if (ms === null || ms === undefined) return "n/a";
  const [scale, unit] = ms >= 1000 ? [0.001, "s"] : ms >= 1 || ms === 0 ? [1, "ms"] : [1000, "µs"];
  return `${Number((ms * scale).toPrecision(3)).toLocaleString("en")} ${unit}`;
};

const tiles = (point) => {
  for (const tile of live.querySelectorAll("[data-tile]")) {
    const name = tile.dataset.tile;
    tile.textContent = name === "lag" ? time(point.lag) : count(point[name]);
    tile.classList.toggle("bad", ["failed_status", "errors"].includes(name) && point[name] > 0);
  }
};

const line = (name, key, colour, extra = {}) => {
  const fresh = points.filter((point) => point.fresh);
  return { type: "scatter", mode: fresh.length < 40 ? "lines+markers" : "lines", name, x: fresh.map((p) => p.at), y: fresh.map((p) => p[key]), line: { color: colour, width: 2, ...extra }, marker: { size: 4 }, hovertemplate: `${name} %{y:.4~g}<extra></extra>` };
};

const draw = () => {
  drawing = 0;
  if (!globalThis.Plotly) return;
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = { gridcolor: colour("grid"), linecolor: colour("line"), zeroline: false, automargin: true };
  const charts = {
    rates: { traces: [line("due", "due_rate", colour("planned"), { dash: "dash", width: 1.5 }), line("sent", "sent_rate", colour("sent"), { width: 1.5 }), line("done", "done_rate", colour("completed"))] },
    latency: { unit: " ms", traces: [line("max", "max", colour("max"), { dash: "dot", width: 1.3 }), line("p99", "p99", colour("p99")), line("p50", "p50", colour("p50"))] },
    flight: { traces: [line("in flight", "in_flight", colour("completed")), line("waiting", "queued", colour("sent"), { width: 1.5 })] },
    failures: { traces: [line("failed", "failed_rate", colour("bad"))] },
    lag: { unit: " ms", traces: [line("lag p99", "lag", colour("service"))] },
  };
  for (const [name, chart] of Object.entries(charts)) {
    const place = byId(`live-${name}`);
    if (place.closest("figure").hidden) continue;
    const empty = chart.traces.every((trace) => trace.y.every((value) => value === null));
    const few = "a p99 needs more events a second";
    const layout = {
      annotations: empty && points.length > 3 ? [{ text: few, xref: "paper", yref: "paper", x: 0.5, y: 0.5, showarrow: false, font: { color: colour("muted"), size: 13 } }] : [],
      xaxis: { ...axis, ticksuffix: " s", rangemode: "tozero" },
      yaxis: { ...axis, rangemode: "tozero", ticksuffix: chart.unit ?? "", nticks: 5 },
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

const told = (run) => {
  const over = ["done", "failed", "cancelled"].includes(run.state);
  live.dataset.state = run.state;
  byId("live-lag").closest("figure").hidden = run.model === "closed"; // what is never due is never late
  byId("title-live").textContent = run.name;
  const kinds = { pass: "good", fail: "bad", invalid: "warn", none: "none" };
  state.textContent = run.verdict ?? WORDS[run.state];
  state.className = `chip ${over ? kinds[run.outcome] ?? "bad" : "live"}`;
  stop.hidden = over;
  stop.textContent = run.state === "stopping" ? "End at once" : "Stop";
  byId("begin").disabled = !over;
  outcome.hidden = !(over || run.notes.length > 0);
  outcome.className = `note ${over ? kinds[run.outcome] ?? "bad" : "warn"}`;
  outcome.replaceChildren(over ? (run.text || run.headline) : run.notes.join(" · "));
  if (run.directory) {
    const link = Object.assign(document.createElement("a"), { href: `/runs/${run.directory}`, textContent: "Read the report" });
    outcome.append(". ", link);
  }
  if (over) byId("progress").value = 1;
};

const follow = (run) => {
  source?.close();
  points = [];
  live.hidden = false;
  for (const tile of live.querySelectorAll("[data-tile]")) tile.textContent = "–";
  byId("live-words").textContent = "";
  byId("progress").value = 0;
  told(run);
  redraw();
  source = new EventSource("/load/stream");
  source.addEventListener("point", (message) => {
    const point = JSON.parse(message.data);
    points.push(point);
    if (points.length > KEPT) points.shift();
    tiles(point);
    const total = run.duration_s;
    byId("live-words").textContent = `${point.phase} · ${point.elapsed.toFixed(1)} s${total ? ` of ${total} s` : ""} · so far p50 ${time(point.total_p50)}, p99 ${time(point.total_p99)}${point.lost.length ? ` · lost shards: ${point.lost.join(", ")}` : ""}`;
    if (total) byId("progress").value = Math.min(1, point.elapsed / total);
    else byId("progress").removeAttribute("value");
    redraw();
  });
  source.addEventListener("state", (message) => {
    const now = JSON.parse(message.data);
    told(now);
    if (["done", "failed", "cancelled"].includes(now.state)) source.close();
  });
};

stop.addEventListener("click", () => trying(problem, stop, async () => told((await ask("/load/stop", {})).run)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("load", redraw); // the library may come after the first points

if (offer.endpoints.length === 0) byId("target").value = "embedded";
byId("target").dispatchEvent(new Event("change", { bubbles: true }));
show();
for (const button of form.querySelectorAll("button")) button.disabled = false; // what they do is known from here on
const current = JSON.parse(byId("run").textContent);
if (current) follow(current);
