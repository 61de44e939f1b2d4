// Draws the charts above their tables, in the present colours: light, dark or print.
(async () => {
  "use strict";
  const root = document.documentElement;
  const narrow = matchMedia("(max-width: 640px)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const PAPER_WIDTH = 680;

  // A saved page holds figures and library packed: zlib data, 13 bits in two digits of base 91 (see packed_text.py).
  const bytesOf = (packed) => {
    const [length, ...parts] = packed.split(" ");
    const digits = parts.join("");
    const value = new Uint8Array(127);
    for (let code = 33, next = 0; code < 127; code += 1) if (!"<>&".includes(String.fromCharCode(code))) value[code] = next++;
    const bytes = new Uint8Array(Number(length));
    for (let at = 0, pair = 0, held = 0, bits = 0; at < bytes.length; pair += 2) {
      held = (held << 13) | (value[digits.charCodeAt(pair)] * 91 + value[digits.charCodeAt(pair + 1)]);
      for (bits += 13; bits >= 8 && at < bytes.length; bits -= 8) bytes[at++] = held >> (bits - 8);
      held &= 255; // fewer than 8 bits are left
    }
    return bytes;
  };
  const textOf = (element) => {
    if (element.type !== "text/plain") return element.textContent;
    return new Response(new Blob([bytesOf(element.textContent)]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  };
  const explain = (text) => {
    const note = Object.assign(document.createElement("p"), { className: "note warn", textContent: text });
    note.setAttribute("role", "status");
    document.querySelector("main").prepend(note);
  };

  const packed = document.getElementById("library");
  if (packed && !globalThis.DecompressionStream) {
    explain("There are no charts: this browser is too old to unpack them. Chrome 80, Firefox 113 and Safari 16.4 can. The tables hold the same numbers.");
    return;
  }
  const figures = JSON.parse(await textOf(document.getElementById("figures")));
  if (packed) document.head.append(Object.assign(document.createElement("script"), { textContent: await textOf(packed) }));

  if (!globalThis.Plotly) {
    document.getElementById("no-charts")?.removeAttribute("hidden"); // of a page that is served
    return;
  }

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
        layout.annotations = (layout.annotations ?? []).filter((note) => note.name !== "limit"); // no room in the margin
        layout.legend2 = { orientation: "h", x: 0, y: -0.28, yanchor: "top" };
        if (layout.legend.y > 1.05) layout.legend.y = 1.12;
        for (const trace of data) {
          if (trace.meta === "limit") Object.assign(trace, { showlegend: true, legend: "legend2" });
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
