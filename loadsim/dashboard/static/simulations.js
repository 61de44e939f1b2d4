// Choose, edit, send, see; what comes back is escaped by the server and shown as text.
import { ask, byId, choose, tell, trying } from "./shared.js";

const [form, event, payload, state, submit, problem, panel, history, said] = ["send", "event", "payload", "payload-state", "submit", "problem", "panel", "history", "said"].map(byId);
const edits = new Map(); // what was typed for an event type, as long as the page is open
let latest = 0;

const size = (text) => new TextEncoder().encode(JSON.stringify(JSON.parse(text))).length;

// JSON is checked as one types.
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

const take = async (fresh) => {
  const kind = event.value;
  const mine = ++latest;
  if (!fresh && edits.has(kind)) {
    payload.value = edits.get(kind);
    check();
    return;
  }
  edits.delete(kind);
  try {
    const sample = await ask(`/samples/${encodeURIComponent(kind)}`);
    if (mine !== latest) return; // another type was chosen meanwhile
    payload.value = sample.payload;
    check();
    tell(problem);
  } catch (error) {
    tell(problem, error.message);
  }
};

const where = choose((events) => {
  const before = event.value;
  event.replaceChildren(...events.map((name) => new Option(name, name)));
  if (events.includes(before)) event.value = before;
  if (event.value !== before || payload.value === "") take(false);
});

const localTimes = (root) => {
  for (const time of root.querySelectorAll("time[data-local]")) time.textContent = new Date(time.dateTime).toLocaleTimeString("en-GB");
};

const show = (answer) => {
  panel.innerHTML = answer.panel; // made by our templates, which escape whatever is not theirs
  localTimes(panel);
  for (const row of history.rows) row.classList.toggle("shown", row.dataset.number === String(answer.number));
};

const arrived = (answer) => {
  history.insertAdjacentHTML("afterbegin", answer.row);
  localTimes(history.rows[0]);
  history.closest(".scroll").hidden = false;
  byId("no-history").hidden = true;
  said.textContent = answer.said;
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
  during(submit, "Sending…", async () => arrived(await ask("/simulations", { ...where(), event: event.value, payload: payload.value })));
});
payload.addEventListener("keydown", (pressed) => {
  if (pressed.key === "Enter" && (pressed.ctrlKey || pressed.metaKey)) form.requestSubmit();
});
payload.addEventListener("input", () => {
  edits.set(event.value, payload.value);
  check();
});
form.addEventListener("input", () => tell(problem)); // it was about what stood there before
event.addEventListener("change", () => take(false));
byId("fresh").addEventListener("click", () => take(true));

const copy = async (button, source) => {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // no clipboard for this page: show it selected, so that a key copies it
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
  if (again) during(button, "Sending…", async () => arrived(await ask(`/simulations/${again}/again`, {})));
  if (shown) during(button, "Show", async () => show(await ask(`/simulations/${shown}`)));
  if (source) copy(button, byId(source));
});
localTimes(document);
submit.disabled = false; // what it does is known from here on
