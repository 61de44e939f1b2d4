// The form that starts a load run; live.js shows the run.
import { follow } from "./live.js";
import { ask, breakable, byId, choose, offer, showProblem, trying } from "./shared.js";

const [form, live, problem, mix] = ["start", "live", "problem", "mix"].map(byId);
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
    const label = Object.assign(document.createElement("label"), { htmlFor: box.id });
    label.append(...breakable(name));
    const weight = Object.assign(document.createElement("input"), { type: "text", value: "1", inputMode: "decimal", ariaLabel: `Weight of ${name}` });
    box.addEventListener("change", () => { weight.disabled = !box.checked; });
    row.append(box, label, weight);
    return row;
  });
  mix.replaceChildren(mix.querySelector("legend"), ...rows);
  byId("plan").hidden = true;
});

// One run at a time.
const allow = (over) => {
  byId("begin").disabled = !over;
  byId("busy").hidden = over;
};

const formValues = () => {
  if (kind() === "scenario") return { kind: "scenario", scenario: byId("scenario").value, target: byId("instead").value };
  const chosen = [...mix.querySelectorAll(".kind")].filter((row) => row.querySelector("[type=checkbox]").checked);
  if (chosen.length === 0) throw new Error("Event types: choose at least one");
  const weights = chosen.map((row) => [row.querySelector("[type=checkbox]").value, row.querySelector("[type=text]").value]);
  const plain = chosen.length === mix.querySelectorAll(".kind").length && weights.every(([, weight]) => weight.trim() === "1");
  const fields = Object.fromEntries(["model", "rate", "connections", "duration", "workers", "objectives"].map((name) => [name, byId(name).value]));
  return { kind: "quick", ...where(), ...fields, mix: plain ? {} : Object.fromEntries(weights) };
};

form.addEventListener("change", show);
form.addEventListener("input", () => showProblem(problem)); // it was about the earlier input
form.addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  trying(problem, byId("begin"), async () => {
    const answer = await ask("/load", formValues());
    byId("live-command").textContent = answer.command;
    follow(answer.run, allow);
    byId("title-live").focus({ preventScroll: true });
    live.scrollIntoView({ block: "start" });
  });
});
byId("show-plan").addEventListener("click", () => trying(problem, byId("show-plan"), async () => {
  const answer = await ask("/load/plan", formValues());
  byId("plan-text").textContent = answer.plan;
  byId("plan-command").textContent = answer.command;
  byId("plan").hidden = false;
  byId("title-plan").focus();
}));

if (offer.endpoints.length === 0) byId("target").value = "embedded";
byId("target").dispatchEvent(new Event("change", { bubbles: true }));
show();
for (const button of form.querySelectorAll("button")) button.disabled = false; // their handlers are attached now
const current = JSON.parse(byId("run").textContent);
if (current) follow(current, allow);
