// Who wins where: for each op a heat map of shapes by tokens, one for each setting of the filters.
"use strict";

// Axes that the filters choose one value of; a cell without such an axis is always shown.
const FILTERS = {cache: "cache", dtype: "activations", kv_dtype: "KV cache", kv_layout: "layout"};
const VIEWS = {winners: "winners", times: "all times in µs"};

const unique = (values) => [...new Set(values)];
const shapeName = (cell) =>
    cell.hq === undefined ? `width ${cell.width}` : `${cell.hq}/${cell.hk} × ${cell.d}`;
const variants = unique(data.cells.map((cell) => cell.variant))
    .sort((a, b) => rank(a) - rank(b));

// From the most fused to what is generated.
function rank(variant) {
  if (variant.startsWith("expanded")) return Number(variant.slice("expanded".length));
  return {fused: 0, custom: 1000, native: 1001}[variant] ?? 999;
}

function checkedValue(name) {
  return document.querySelector(`#filters input[name="${name}"]:checked`)?.value;
}

function microseconds(us) {
  return us >= 1000 ? us.toFixed(0) : us.toPrecision(3);
}

// Cells of one call in all variants, the fastest first, those without a time last.
function ordered(cells) {
  return [...cells].sort((a, b) => (a.median_us ?? Infinity) - (b.median_us ?? Infinity));
}

// The winner and by how much, or a tie.
function verdict(cells) {
  const [best, next] = ordered(cells).filter((cell) => cell.absent === undefined);
  if (best === undefined) return null;
  if (next === undefined) return {best, text: `${best.variant} alone`, factor: 1};
  const factor = next.median_us / best.median_us;
  const tie = best.high_us >= next.low_us;
  return {best, tie, factor, text: tie ? "=" : `${best.variant} ${factor.toFixed(2)}×`};
}

// A factor of 2 and more has the full colour.
const shareOf = (factor) => `${Math.round(12 + 63 * Math.min(Math.max(factor - 1, 0), 1))}%`;

function detailTable(cells) {
  const rows = ordered(cells).map((cell) => {
    const head = el("th", {scope: "row"}, cell.variant);
    if (cell.absent !== undefined) return el("tr", {}, head, el("td", {colSpan: 4}, cell.absent));
    return el("tr", {}, head,
              el("td", {className: "number"}, `${microseconds(cell.median_us)} µs`),
              el("td", {}, `${microseconds(cell.low_us)}–${microseconds(cell.high_us)}`),
              el("td", {className: "number"}, `${(cell.roof_share * 100).toFixed(0)} % of the roof`),
              el("td", {}, cell.kernels.join(", ")));
  });
  return el("table", {}, el("tbody", {}, ...rows));
}

function showDetail(cells) {
  const [cell] = cells;
  const setting = Object.keys(FILTERS).map((axis) => cell[axis]).filter(Boolean).join(", ");
  byId("detail").replaceChildren(
      el("strong", {}, `${cell.op}, ${shapeName(cell)}, ${plural(cell.tokens, "token")}`),
      el("div", {className: "soft"}, setting), detailTable(cells));
  byId("detail").hidden = false;
}

function heatCell(cells, text, className, share) {
  const td = el("td", {className, tabIndex: 0}, text);
  td.style.setProperty("--share", share);
  for (const event of ["mouseenter", "focus"])
    td.addEventListener(event, () => showDetail(cells));
  for (const event of ["mouseleave", "blur"])
    td.addEventListener(event, () => (byId("detail").hidden = true));
  return td;
}

function winnerCell(cells) {
  const won = verdict(cells);
  if (won === null) return heatCell(cells, "absent", "none", "0%");
  return heatCell(cells, won.text, won.best.variant, won.tie ? "5%" : shareOf(won.factor));
}

function timeCell(cells, variant) {
  const cell = cells.find((other) => other.variant === variant);
  if (cell === undefined || cell.absent !== undefined)
    return cells.length > 0 ? heatCell(cells, "–", "none", "0%") : el("td", {className: "none"});
  const won = verdict(cells);
  // The fastest has the full colour; twice its time has none.
  const share = shareOf(3 - cell.median_us / won.best.median_us);
  return heatCell(cells, microseconds(cell.median_us), variant, share);
}

function shapeRows(shape, cells, tokens, view) {
  const at = tokens.map((n) => cells.filter((cell) => cell.tokens === n));
  if (view === "winners") {
    return [el("tr", {}, el("th", {scope: "row"}, shape),
               ...at.map((some) => (some.length > 0 ? winnerCell(some) : el("td", {}))))];
  }
  return variants.filter((v) => cells.some((cell) => cell.variant === v))
      .map((variant, i) => el("tr", {className: i === 0 ? "first" : ""},
                              el("th", {scope: "row"}, `${shape} ${variant}`),
                              ...at.map((some) => timeCell(some, variant))));
}

function opSection(op, cells, view) {
  const tokens = unique(cells.map((cell) => cell.tokens)).sort((a, b) => a - b);
  const head = el("tr", {}, el("th", {scope: "col"}, "tokens"),
                  ...tokens.map((n) => el("th", {scope: "col"}, String(n))));
  const rows = unique(cells.map(shapeName))
      .flatMap((shape) => shapeRows(shape, cells.filter((c) => shapeName(c) === shape), tokens, view));
  return el("section", {id: op}, el("h2", {}, el("code", {}, op)),
            el("div", {className: "scroll"},
               el("table", {className: "heat"}, el("thead", {}, head), el("tbody", {}, ...rows))));
}

function render() {
  const view = checkedValue("views");
  const shown = data.cells.filter((cell) => Object.keys(FILTERS).every(
      (axis) => cell[axis] === undefined || cell[axis] === checkedValue(axis)));
  byId("ops").replaceChildren(...unique(data.cells.map((cell) => cell.op)).map(
      (op) => opSection(op, shown.filter((cell) => cell.op === op), view)));
  document.body.dataset.shown = shown.length;
}

function radios(parent, name, values, label = (value) => value) {
  values.forEach((value, i) => {
    const box = el("input", {type: "radio", name, value, checked: i === 0});
    parent.append(el("label", {}, box, ` ${label(value)}`));
  });
}

function renderFilters() {
  radios(byId("views"), "views", Object.keys(VIEWS), (view) => VIEWS[view]);
  for (const [axis, legend] of Object.entries(FILTERS)) {
    const values = unique(data.cells.map((cell) => cell[axis]).filter(Boolean));
    if (values.length === 0) continue;
    const set = el("fieldset", {hidden: values.length === 1}, el("legend", {}, legend));
    radios(set, axis, values);
    byId("filters").append(set);
  }
  byId("filters").addEventListener("input", render);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
}

function renderTop() {
  const device = data.device;
  document.title = `${device.name}: Ropewalk kernels`;
  document.querySelector("h1").textContent = `Kernels on ${device.name}`;
  const threads = device.threads ? `, ${plural(device.threads, "thread")}` : "";
  byId("what").textContent =
      `${device.arch}${threads}; copying runs at ${device.copy_gb_s.toFixed(0)} GB/s, which is ` +
      `the roof. ${plural(data.cells.length, "measurement")} of ${data.date}, medians; ` +
      `${data.spread}.`;
  byId("how").textContent = `${data.command}${data.commit ? ` (commit ${data.commit})` : ""}`;
  byId("legend").append(...variants.map((v) => el("span", {className: `key ${v}`}, v)));
}

renderTop();
renderFilters();
render();
document.body.dataset.ready = "true";
