// Used by several pages: requests to the server, and the choice of an endpoint.

export const byId = (id) => document.getElementById(id);
export const offer = JSON.parse(byId("offer")?.textContent ?? "null");

// The answer as an object, or an Error whose message is the server's own sentence.
export const ask = async (path, body) => {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, { ...options, credentials: "same-origin" });
  } catch {
    throw new Error("The dashboard does not answer: is it still running?");
  }
  const answer = await response.json().catch(() => ({ error: `The dashboard answered ${response.status}.` }));
  if (!response.ok) throw new Error(answer.error);
  return answer;
};

export const showProblem = (problem, text) => {
  problem.textContent = text ?? "";
  problem.hidden = !text;
};

// A name that may be broken over lines after dots and underscores.
export const breakable = (name) => name.split(/(?<=[._])/).flatMap((part) => [part, document.createElement("wbr")]);

// Runs the action of a button and shows its error in `problem`. The button is disabled meanwhile.
export const trying = async (problem, button, action) => {
  button.disabled = true;
  showProblem(problem);
  try {
    await action();
  } catch (error) {
    showProblem(problem, error.message);
  } finally {
    button.disabled = false;
  }
};

// Calls `changed` with what is known of the chosen endpoint: its event types, and how it is signed.
export const choose = (changed) => {
  const [target, url, scheme, variable, signing] = ["target", "url", "scheme", "variable", "signing"].map(byId);
  const named = () => offer.endpoints.find((each) => each.name === target.value);
  const update = () => {
    const endpoint = named();
    const free = target.value === "";
    const known = endpoint ?? offer.schemes[free ? scheme.value : "trackpilots"];
    byId("by-url").hidden = !free;
    variable.placeholder = offer.schemes[scheme.value].variable ?? "NAME_OF_A_VARIABLE";
    const own = free && variable.value.trim() !== "";
    const beside = !free && endpoint === undefined;
    signing.textContent = own ? `Signed with the value of ${variable.value.trim()} in the dashboard's environment.` : beside ? "Signed with a random secret that the companion receiver gets too." : known.unsigned ?? known.signed;
    signing.className = `hint ${!own && !beside && known.unsigned ? "bad" : ""}`;
    changed(known.events);
  };
  for (const each of [target, scheme]) each.addEventListener("change", update);
  variable.addEventListener("input", update);
  update();
  return () => (target.value === "" ? { target: url.value, scheme: scheme.value, secret_env: variable.value } : { target: target.value });
};
