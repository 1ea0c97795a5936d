// Tables that are sorted, and charts that are drawn when the reader comes near them.
(() => {
  "use strict";

  // ---- tables: the first number of a cell, else its words --------------------------------------------------------

  const numberOf = (text) => {
    const found = text.replaceAll(",", "").replaceAll("−", "-").match(/^[^\d\p{L}-]*(-?\d+(\.\d+)?(e[-+]?\d+)?)/u);
    return found ? Number(found[1]) : NaN;
  };

  function sort(table, column, falling) {
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
    const numeric = keyed.every(({ text }) => text === "–" || text === "" || !Number.isNaN(numberOf(text)));
    keyed.sort((a, b) => {
      if (!numeric) return a.text.localeCompare(b.text, "en", { numeric: true });
      const [first, second] = [numberOf(a.text), numberOf(b.text)];
      return (Number.isNaN(first) ? -Infinity : first) - (Number.isNaN(second) ? -Infinity : second) || 0;
    });
    if (falling) keyed.reverse();
    body.append(...keyed.map(({ row }) => row));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent.trim() || "name";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        sort(table, column, falling);
      });
    });
  }

  // ---- charts ----------------------------------------------------------------------------------------------------

  const library = document.getElementById("charts");
  if (!library) return;
  const drawn = new Map();

  function load() {
    if (window.vegaEmbed) return;
    const script = document.createElement("script");
    script.textContent = library.textContent;
    document.head.append(script);
  }

  function colours() {
    const style = getComputedStyle(document.documentElement), ink = style.getPropertyValue("--ink").trim();
    const line = style.getPropertyValue("--line").trim();
    return {
      aria: false, background: "transparent", view: { stroke: line }, rule: { color: ink }, text: { color: ink },
      axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12, titleFontSize: 12, labelLimit: 220 },
      legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, labelLimit: 260 }, font: "system-ui, sans-serif",
    };
  }

  async function draw(chart) {
    load();
    const spec = JSON.parse(chart.nextElementSibling.textContent);
    drawn.get(chart)?.finalize();
    const inside = document.createElement("div");  // the label of the chart speaks for all that is in it
    inside.setAttribute("aria-hidden", "true");
    chart.replaceChildren(inside);
    drawn.set(chart, await window.vegaEmbed(inside, { ...spec, config: colours() }, { actions: false, renderer: "svg", ast: true }));
  }

  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "200px" });
  for (const chart of document.querySelectorAll(".chart")) near.observe(chart);
  document.addEventListener("theme", () => { for (const chart of drawn.keys()) draw(chart); });
})();
