// The page of a plan: what is said at its top, and the ledger. Text from the data reaches the page
// only as text nodes.
"use strict";

const plan = data.plan;

const shortName = (knob) => knob.slice(knob.lastIndexOf(".") + 1);
const isFusion = (i) => data.knobs[i].joins !== undefined;
const knobLink = (knob) => el("a", {href: `#knob-${shortName(knob)}`}, shortName(knob));

function because(row) {
  const level = /^(O\d)(;.*)?$/.exec(row.detail);
  if (level && row.reason === "level-default") return `level ${row.detail}`;
  if (level && row.reason === "off-at-level") {
    return `level ${level[1]} does not try it${level[2] ?? ""}`;
  }
  return data.reasons[row.reason] + (row.detail ? ` (${row.detail})` : "");
}

function valueText(value) {
  return Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
}

// Long lists are folded.
function valueCell(value, fusion) {
  if (fusion) return el("span", {className: value ? "on" : "soft"}, value ? "on" : "off");
  const text = el("code", {}, valueText(value));
  if (!Array.isArray(value) || value.length < 9) return text;
  return el("details", {}, el("summary", {}, `${value.length} values`), text);
}

const boundsText = ([least, most]) => (least === most ? `${least}` : `${least}–${most}`);
const stepsText = (tokens) => `steps of ${tokens.map(boundsText).join(", ")} tokens`;

// A row of evidence that a decision rests on.
function rowNote(row) {
  const found = row.finding || [row.margin, row.spread && `spread ${row.spread}`]
                                   .filter(Boolean).join(", ");
  const where = row.device_name ? ` on ${row.device_name}` : "";
  const how = row.kind === "cited" ? `cited${where}, not measured here` : `measured${where}`;
  const stale = row.stale.length > 0 ? `; stale: ${row.stale.join(", ")} changed since` : "";
  const link = row.link.startsWith("https://") ? el("a", {href: row.link}, row.link) : row.link;
  return el("small", {className: "evidence"},
            `${stepsText([row.tokens])}: ${how}: ${found}${stale}; ${row.users ? "your rule, " : ""}`,
            link);
}

function matchedCell(decision, fusion) {
  if (!fusion || !decision.value || plan.policy !== "ropewalk") return "";
  const layers = decision.layers ?? [];
  if (layers.length === 0) return "nowhere by itself";
  const distinct = [...new Set(layers)].sort((a, b) => a - b);
  const where = `${distinct.length} of ${plan.layers} layers`;
  return el("span", {title: `layers ${numbersText(distinct)}`},
            distinct.length === layers.length ? where : `${layers.length} times in ${where}`,
            decision.tokens ? el("small", {}, stepsText(decision.tokens)) : "",
            decision.kernel ? el("small", {className: "mono"}, decision.kernel) : "");
}

// [[why, layers], ...] of the places where a pattern stands and is not fused.
function leftAlone(places) {
  const layers = new Map();
  for (const place of places) {
    const text = because(place);
    if (!layers.has(text)) layers.set(text, new Set());
    layers.get(text).add(place.layer);
  }
  return [...layers].map(([text, set]) => [text, [...set].sort((a, b) => a - b)]);
}

function whyCell(decision, knob) {
  const notes = [];
  notes.push(...(decision.rows ?? []).map(rowNote));
  if (decision.evidence) notes.push(el("small", {}, `rests on ${decision.evidence}`));
  if (decision.cause) notes.push(el("small", {}, "follows from ", knobLink(decision.cause)));
  for (const [text, layers] of leftAlone(knob.left ?? [])) {
    const where = `layer${layers.length === 1 ? "" : "s"} ${numbersText(layers)}`;
    notes.push(el("small", {}, `left alone in ${where}: ${text}`));
  }
  if (plan.policy === "ropewalk" && knob.departures?.length > 0) {
    notes.push(el("details", {}, el("summary", {className: "soft"}, "vLLM differs"),
        el("ul", {}, ...knob.departures.map((d) => el("li", {}, `${d.why} [${d.thread}]`)))));
  }
  return el("div", {}, because(decision), ...notes);
}

function rejectedCell(decision, fusion) {
  if (decision.rejected.length === 0) return "";
  const shown = (value) => (fusion ? (value ? "on" : "off") : valueText(value));
  const items = decision.rejected.map(
      (other) => el("li", {}, el("code", {}, shown(other.value)),
                    `, ${other.source}: ${because(other)}`));
  const values = decision.rejected.map((other) => shown(other.value)).join(", ");
  return el("details", {}, el("summary", {}, values.length < 24 ? values : `${items.length} values`),
            el("ul", {}, ...items));
}

// What the filter looks at: the row without what is folded in it, and without the name of the
// program, or "rope" would find half of the table.
const searched = new Map();

function searchText(row) {
  const copy = row.cloneNode(true);
  for (const folded of copy.querySelectorAll("details ul")) folded.remove();
  return copy.textContent.toLowerCase().replaceAll("ropewalk", "");
}

// `kind`: on, off, setting or op.
function ledgerRow(name, small, kind, source, cells) {
  const [value, why, matched, rejected] = cells;
  const row = el("tr", {id: `knob-${name}`}, el("th", {scope: "row"}, el("code", {}, name),
                                                el("small", {}, small)),
                 el("td", {className: "value"}, value),
                 el("td", {}, el("span", {className: "tag"}, source)),
                 el("td", {className: "why"}, why), el("td", {}, matched), el("td", {}, rejected));
  Object.assign(row.dataset, {kind, source, name});
  searched.set(row, searchText(row));
  return row;
}

function renderLedger() {
  const rows = plan.decisions.map((decision, i) => {
    const knob = data.knobs[i];
    const fusion = isFusion(i);
    const kind = fusion ? (decision.value ? "on" : "off") : "setting";
    const row = ledgerRow(shortName(decision.knob), fusion ? knob.joins : knob.summary, kind,
                          decision.source,
                          [valueCell(decision.value, fusion), whyCell(decision, knob),
                           matchedCell(decision, fusion), rejectedCell(decision, fusion)]);
    row.dataset.matched = decision.layers?.length ?? 0;
    return row;
  });
  for (const op of plan.ops) {
    const row = ledgerRow(`op ${op.op}`, data.ops[op.op] ?? "", "op", op.source,
                          [el("code", {}, op.code), whyCell(op, {}),
                           stepsText([op.tokens]), rejectedCell(op, false)]);
    row.id = "";
    rows.push(row);
  }
  document.querySelector("#ledger tbody").append(...rows);
}

function checkboxes(parent, names, labels = {}) {
  for (const name of names) {
    const box = el("input", {type: "checkbox", value: name, checked: true});
    byId(parent).append(el("label", {}, box, ` ${labels[name] ?? name}`));
  }
}

function applyFilter() {
  const checked = (id) => new Set(
      [...document.querySelectorAll(`#${id} input:checked`)].map((box) => box.value));
  const kinds = checked("kinds");
  const sources = checked("sources");
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...document.querySelectorAll("#ledger tbody tr")];
  for (const row of rows) {
    const text = searched.get(row);
    row.hidden = !(kinds.has(row.dataset.kind) && sources.has(row.dataset.source) &&
                   words.every((word) => text.includes(word)));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  byId("shown").textContent = `${shown} of ${rows.length} shown`;
  document.body.dataset.shown = shown;
}

function setFilter(text, kinds) {
  byId("filter").value = text;
  for (const box of document.querySelectorAll("#kinds input"))
    box.checked = kinds === null || kinds.split(",").includes(box.value);
  for (const box of document.querySelectorAll("#sources input")) box.checked = true;
  applyFilter();
}

// #filter=rope&show=on,off&program=1, or the place of a knob, which no filter may hide.
function followHash() {
  const hash = new URLSearchParams(location.hash.slice(1));
  if (hash.has("filter") || hash.has("show"))
    setFilter(hash.get("filter") ?? "", hash.get("show"));
  const program = document.querySelectorAll("#programs input")[Number(hash.get("program") ?? NaN)];
  program?.click();
  const row = document.getElementById(location.hash.slice(1));
  if (row?.hidden) setFilter("", null);
  if (row?.matches("tr")) row.scrollIntoView({block: "center"});
}

function renderFilters() {
  const all = [...document.querySelectorAll("#ledger tbody tr")];
  const labels = {on: "fusions that are on", off: "fusions that are off", setting: "settings",
                  op: "code of ops"};
  checkboxes("kinds", Object.keys(labels).filter((k) => all.some((row) => row.dataset.kind === k)),
             labels);
  checkboxes("sources", [...new Set(all.map((row) => row.dataset.source))]);
  byId("filters").addEventListener("input", applyFilter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
}

function renderTop() {
  document.title = `${data.model}: Ropewalk plan`;
  document.querySelector("h1").textContent = data.model;
  byId("what").textContent =
      `${plan.policy === "vllm" ? "vLLM's plan" : "Ropewalk's plan"} at O${plan.level} for ` +
      `${plan.platform}: ${plural(plan.layers, "layer")}, ${plan.dtype} activations, steps of up ` +
      `to ${plural(plan.max_num_batched_tokens, "token")}.`;
  const calls = data.programs.map((program) => program.nodes.length).join(" or ");
  const on = plan.decisions.filter((decision, i) => isFusion(i) && decision.value)
                 .map((d) => shortName(d.knob) + (d.layers ? ` ×${d.layers.length}` : ""));
  byId("result").textContent = `${data.before.length} calls as imported, ${calls} as they run. ` +
      (on.length > 0 ? `Fused: ${on.join(", ")}.` : "Nothing is fused.");
  const notices = plan.warnings.map((w) => `vLLM warns: ${w.message} (${w.code})`);
  if (plan.without_kernel?.length > 0) {
    notices.push("This build cannot run it there: no kernel for " +
                 `${plan.without_kernel.join(", ")}.`);
  }
  byId("notices").hidden = notices.length === 0;
  byId("notices").append(...notices.map((text) => el("p", {}, text)));
}

renderTop();
renderLedger();
renderFilters();
renderGraphs();
applyFilter();
window.addEventListener("hashchange", followHash);
followHash();
document.body.dataset.ready = "true";
