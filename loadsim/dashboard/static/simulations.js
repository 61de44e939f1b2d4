// Sends a simulation and shows its result and the history. The server escapes everything that an endpoint answered.
import { ask, byId, choose, showProblem, trying } from "./shared.js";

const [form, event, payload, state, submit, problem, panel, history, announcement] = ["send", "event", "payload", "payload-state", "submit", "problem", "panel", "history", "announcement"].map(byId);
const edits = new Map(); // the edited payload of each event type, as long as the page is open
let latest = 0;

const size = (text) => new TextEncoder().encode(JSON.stringify(JSON.parse(text))).length;

// Checks the payload after each change.
const check = () => {
  let words = "";
  try {
    const bytes = size(payload.value);
    words = `Valid JSON, about ${bytes.toLocaleString("en")} bytes.`;
  } catch (error) {
    words = payload.value.trim() === "" ? "The payload is empty." : `Not JSON: ${error.message}`;
  }
  const valid = words.startsWith("Valid");
  state.textContent = words;
  state.className = `state ${valid ? "" : "bad"}`;
  payload.setAttribute("aria-invalid", String(!valid));
  return valid;
};

const loadSample = async (fresh) => {
  const kind = event.value;
  const request = ++latest;
  if (!fresh && edits.has(kind)) {
    payload.value = edits.get(kind);
    check();
    return;
  }
  edits.delete(kind);
  try {
    const sample = await ask(`/samples/${encodeURIComponent(kind)}`);
    if (request !== latest) return; // another type was chosen meanwhile
    payload.value = sample.payload;
    check();
    showProblem(problem);
  } catch (error) {
    showProblem(problem, error.message);
  }
};

const where = choose((events) => {
  const before = event.value;
  event.replaceChildren(...events.map((name) => new Option(name, name)));
  if (events.includes(before)) event.value = before;
  if (event.value !== before || payload.value === "") loadSample(false);
});

const localTimes = (root) => {
  for (const time of root.querySelectorAll("time[data-local]")) time.textContent = new Date(time.dateTime).toLocaleTimeString("en-GB");
};

const show = (answer) => {
  panel.innerHTML = answer.panel; // made by our templates, which escape every value
  localTimes(panel);
  for (const row of history.rows) row.classList.toggle("shown", row.dataset.number === String(answer.number));
};

const showNew = (answer) => {
  history.insertAdjacentHTML("afterbegin", answer.row);
  localTimes(history.rows[0]);
  history.closest(".scroll").hidden = false;
  byId("no-history").hidden = true;
  announcement.textContent = answer.announcement;
  show(answer);
  byId("title-result").focus({ preventScroll: true });
  byId("result").scrollIntoView({ block: "nearest" });
};

const during = async (button, word, action) => {
  const before = button.textContent;
  button.textContent = word;
  panel.setAttribute("aria-busy", "true");
  await trying(problem, button, action);
  button.textContent = before;
  panel.removeAttribute("aria-busy");
};

form.addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  if (submit.disabled) return;
  if (!check()) {
    payload.focus();
    return;
  }
  during(submit, "Sending…", async () => showNew(await ask("/simulations", { ...where(), event: event.value, payload: payload.value })));
});
payload.addEventListener("keydown", (pressed) => {
  if (pressed.key === "Enter" && (pressed.ctrlKey || pressed.metaKey)) form.requestSubmit();
});
payload.addEventListener("input", () => {
  edits.set(event.value, payload.value);
  check();
});
form.addEventListener("input", () => showProblem(problem)); // it was about the earlier input
event.addEventListener("change", () => loadSample(false));
byId("fresh").addEventListener("click", () => loadSample(true));

const copy = async (button, source) => {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // no access to the clipboard: select the text, so that the user can copy it
    source.closest("details").open = true;
    getSelection().selectAllChildren(source);
    button.textContent = "Selected: copy it";
  }
  setTimeout(() => { button.textContent = before; }, 2000);
};

document.addEventListener("click", (clicked) => {
  const button = clicked.target.closest("button");
  if (!button) return;
  const { again, show: shown, copy: source } = button.dataset;
  if (again) during(button, "Sending…", async () => showNew(await ask(`/simulations/${again}/again`, {})));
  if (shown) during(button, "Show", async () => show(await ask(`/simulations/${shown}`)));
  if (source) copy(button, byId(source));
});
localTimes(document);
submit.disabled = false; // its handler is attached now
