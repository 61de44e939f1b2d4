// Chooses two runs to compare, and filters the list by scenario.
const boxes = [...document.querySelectorAll("#compare input[name=run]")];
const button = document.getElementById("compare-button");
const hint = document.getElementById("compare-hint");

const update = () => {
  const chosen = boxes.filter((box) => box.checked).length;
  for (const box of boxes) box.disabled = chosen === 2 && !box.checked;
  if (button) button.disabled = chosen !== 2;
  if (hint) hint.textContent = ["Choose two runs.", "Choose one more.", "The older run is the baseline."][chosen];
};
for (const box of boxes) box.addEventListener("change", update);
update();

const filter = document.getElementById("filter");
filter.addEventListener("change", () => {
  location.assign(filter.value === "" ? "/runs" : `/runs?scenario=${encodeURIComponent(filter.value)}`);
});
