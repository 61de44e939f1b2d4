// Draws the charts above their tables, in the present colours: light, dark or print.
(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const narrow = matchMedia("(max-width: 640px)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const PAPER_WIDTH = 680;

  // Figures name colours as CSS variables; the library needs them as values.
  const resolved = (value, style) => {
    if (typeof value === "string") {
      const name = /^var\((--[\w-]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => resolved(item, style));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item, style)]));
    }
    return value;
  };

  const draw = (paper) => {
    const style = getComputedStyle(root);
    for (const [name, figure] of Object.entries(figures)) {
      const place = document.getElementById(`chart-${name}`);
      const { data, layout } = resolved(figure, style);
      layout.autosize = true;
      if (paper) Object.assign(layout, { width: PAPER_WIDTH, height: 340 });
      if (narrow.matches && !paper) {
        layout.margin = { l: 8, r: 4, t: 8, b: 8 };
        layout.font = { ...layout.font, size: 11 };
        layout.dragmode = false; // a finger scrolls the page
        for (const trace of data) {
          if (trace.colorbar) Object.assign(trace.colorbar, { orientation: "h", y: 1.02, yanchor: "bottom", ypad: 0, title: { text: "events", side: "top" } });
        }
      }
      Plotly.react(place, data, layout, { responsive: !paper, displaylogo: false, displayModeBar: narrow.matches ? false : "hover" })
        .then(() => { place.dataset.drawn = "yes"; });
    }
  };

  root.classList.add("charts"); // makes space for the charts
  draw(false);
  for (const table of document.querySelectorAll("figure + details")) table.open = false;

  dark.addEventListener("change", () => draw(false));
  narrow.addEventListener("change", () => draw(false));
  addEventListener("beforeprint", () => { root.classList.add("paper"); draw(true); });
  addEventListener("afterprint", () => { root.classList.remove("paper"); draw(false); });
})();
