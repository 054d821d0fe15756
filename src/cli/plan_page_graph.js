// The graph of each program beside the imported one, row by row, and its pieces.
"use strict";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz";

function valueName(id) {
  const [name, kind] = data.values[id];
  return (kind === "weight" ? "@" : "%") + name;
}

const valueType = (id) => data.values[id][2];

// 0, 1, 2, 3, 7 -> "0–3, 7"; 1, 3, 5, 7 -> "1, 3 … 7".
function numbersText(numbers) {
  const step = numbers.length > 1 ? numbers[1] - numbers[0] : 1;
  if (step > 1 && numbers.length > 3 && numbers.every((n, i) => n === numbers[0] + i * step))
    return `${numbers[0]}, ${numbers[1]} … ${numbers.at(-1)}`;
  const runs = [];
  for (const n of numbers) {
    if (runs.length > 0 && runs.at(-1)[1] === n - 1) runs.at(-1)[1] = n;
    else runs.push([n, n]);
  }
  return runs.map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`)).join(", ");
}

// Indices of the nodes of each row: "start", 0, 1, ..., "end".
function splitByRow(nodes) {
  const rows = new Map();
  let outside = "start";
  nodes.forEach((node, i) => {
    const key = node.layer ?? outside;
    if (node.layer !== undefined) outside = "end";
    if (!rows.has(key)) rows.set(key, []);
    rows.get(key).push(i);
  });
  return rows;
}

// The structure of some nodes as text: values are numbered as they are met, names are left out.
function structure(nodes, indices) {
  const numbers = new Map();
  const show = (id) => {
    if (!numbers.has(id)) numbers.set(id, numbers.size);
    return [numbers.get(id), data.values[id][1] === "weight", valueType(id)];
  };
  return JSON.stringify(indices.map((i) => {
    const node = nodes[i];
    return [node.op, node.attrs, node.in.map(show), node.out.map(show)];
  }));
}

// One program with what it takes to show it.
class View {
  constructor(program, index) {
    this.nodes = program.nodes;
    this.pieces = program.pieces;
    this.index = index;
    this.before = splitByRow(data.before);
    this.after = splitByRow(this.nodes);
    this.pieceOf = [];
    program.pieces.forEach((piece, p) => {
      for (let i = piece.first; i < piece.last; ++i) this.pieceOf[i] = p;
    });
    const made = new Set(this.nodes.flatMap((node) => node.out));
    this.letter = new Map();  // of a fused node: its place among those of its row
    for (const indices of this.after.values()) {
      indices.filter((i) => this.nodes[i].replaces)
          .forEach((i, place) => this.letter.set(i, place));
    }
    this.into = new Map();  // index before -> index of the fused node
    this.nodes.forEach((node, i) => {
      for (const b of node.replaces ?? []) this.into.set(b, i);
    });
    this.gone = new Set();  // in no node, fused or not
    data.before.forEach((node, b) => {
      if (!this.into.has(b) && !node.out.some((id) => made.has(id))) this.gone.add(b);
    });
  }

  // Rows in order; equal layers are one row: [[key, ...], ...].
  rows() {
    const keys = [...new Set([...this.before.keys(), ...this.after.keys()])];
    const rank = (key) => (key === "start" ? -1 : key === "end" ? Infinity : key);
    keys.sort((a, b) => rank(a) - rank(b));
    const groups = new Map();
    for (const key of keys) {
      const layer = typeof key === "number";
      const text = !layer ? key
                          : structure(data.before, this.before.get(key) ?? []) +
                                structure(this.nodes, this.after.get(key) ?? []);
      if (!groups.has(text)) groups.set(text, []);
      groups.get(text).push(key);
    }
    return [...groups.values()];
  }

  render() {
    const rows = this.rows();
    const longest = Math.max(...rows.map((keys) => keys.length));
    const first = rows.find((keys) => keys.length === longest && typeof keys[0] === "number");
    const box = el("div", {className: "program"}, ...rows.map((keys) => this.row(keys, keys === first)));
    box.dataset.program = this.index;
    let pointed = null;
    const mark = () => markGroups(box, pointed);
    const point = (event) => {
      pointed = event.target.closest?.(".group")?.dataset.group ?? null;
      mark();
    };
    box.addEventListener("pointerover", point);
    box.addEventListener("pointerleave", point);
    box.addEventListener("focusin", point);
    box.addEventListener("focusout", () => { pointed = null; mark(); });
    box.addEventListener("toggle", mark, true);
    return box;
  }

  row(keys, open) {
    const key = keys[0];
    const calls = (rows) => rows.get(key)?.length ?? 0;
    const title = key === "start" ? "before the layers"
                : key === "end" ? "after the layers"
                : keys.length === 1 ? `layer ${key}`
                : `layers ${numbersText(keys)} are equal`;
    const size = calls(this.before) === calls(this.after)
        ? plural(calls(this.before), "call")
        : `${plural(calls(this.before), "call")}, ${calls(this.after)} after the passes`;
    const columns = el("div", {className: "columns"}, ...this.columns(key));
    const row = el("details", {className: "row", open},
                   el("summary", {}, el("strong", {}, title),
                      el("span", {}, keys.length > 1 ? `${size}, in each` : size)));
    if (keys.length > 1) {
      const select = el("select", {}, ...keys.map((k) => new Option(`layer ${k}`, k)));
      select.addEventListener(
          "change", () => columns.replaceChildren(...this.columns(Number(select.value))));
      row.append(el("label", {className: "pick"}, "shown: ", select));
    }
    row.append(columns);
    row.dataset.layers = keys.length;
    return row;
  }

  columns(key) {
    const before = (this.before.get(key) ?? []).map((b) => this.beforeNode(b));
    const after = (this.after.get(key) ?? []).flatMap((i) => [...this.cut(i), this.afterNode(i)]);
    return [
      el("section", {}, el("h3", {}, "As imported"), el("ol", {className: "before"}, ...before)),
      el("section", {}, el("h3", {}, "After the passes"), el("ol", {className: "after"}, ...after)),
    ];
  }

  // A line where a piece begins, if there is more than one.
  cut(i) {
    const p = this.pieceOf[i];
    if (this.pieces.length < 2 || this.pieces[p].first !== i) return [];
    return [el("li", {className: "cut"},
               `piece ${p}${this.pieces[p].splitting ? ", splitting" : ""}`)];
  }

  beforeNode(b) {
    const node = data.before[b];
    const facts = [];
    const into = this.into.get(b);
    if (into !== undefined) {
      const other = this.nodes[into];
      facts.push(["part of", codes([`${other.op} ${other.out.map(valueName).join(", ")}`])]);
    } else if (this.gone.has(b)) {
      facts.push(["part of", "nothing: it is gone"]);
    }
    const item = this.node(node, facts, into);
    const layer = into === undefined ? undefined : this.nodes[into].layer;
    if (layer !== undefined && layer !== node.layer)
      item.querySelector(".results").append(` → layer ${layer}`);
    if (this.gone.has(b)) item.classList.add("gone");
    return item;
  }

  afterNode(i) {
    const node = this.nodes[i];
    const facts = [];
    if (node.replaces) {
      facts.push(["replaces", codes(node.replaces.map((b) => {
        const old = data.before[b];
        const where = old.layer === node.layer ? "" : ` (layer ${old.layer})`;
        return `${old.op} ${old.out.map(valueName).join(", ")}${where}`;
      }))]);
      const at = data.knobs.findIndex((knob) => knob.makes?.includes(node.op));
      const decision = data.plan.decisions[at];
      if (decision) {
        facts.push(["made by", knobLink(decision.knob)]);
        if (decision.kernel) facts.push(["kernel", codes([decision.kernel])]);
      }
    }
    if (this.pieces.length > 1) facts.push(["piece", `${this.pieceOf[i]}`]);
    const item = this.node(node, facts, node.replaces ? i : undefined);
    if (node.replaces) item.classList.add("fused");
    return item;
  }

  // `group`: index of the fused node that this one is, or is part of.
  node(node, facts, group) {
    const names = node.out.map(valueName).join(", ");
    const types = node.out.map(valueType).join(", ");
    const badge = el("span", {});
    const typed = (ids) => codes(ids.map((id) => `${valueName(id)}: ${valueType(id)}`));
    const list = [["op", data.ops[node.op]], ["results", typed(node.out)],
                  ["operands", typed(node.in)]];
    if (node.attrs) {
      list.push(["attributes", codes(Object.entries(node.attrs).map(
                                   ([name, value]) => `${name} = ${JSON.stringify(value)}`))]);
    }
    const item = el("li", {className: "node"},
        el("details", {},
           el("summary", {}, badge, el("code", {className: "op"}, node.op),
              el("code", {className: "results", title: names}, names),
              el("code", {className: "type", title: types}, types)),
           el("dl", {}, ...[...list, ...facts].flatMap(
                            ([term, text]) => [el("dt", {}, term), el("dd", {}, text)]))));
    if (group !== undefined) {
      const place = this.letter.get(group);
      badge.className = "badge";
      badge.textContent = ALPHABET[place % ALPHABET.length];
      item.classList.add("group", `g${place % 6}`);
      item.dataset.group = group;
    }
    return item;
  }
}

const codes = (texts) => el("span", {}, ...texts.map((text) => el("code", {}, text)));

// Marks the fused call that is pointed at, those that are open, and what they replace.
function markGroups(box, pointed) {
  const open = new Set();
  for (const item of box.querySelectorAll(".group:has(> details[open])"))
    open.add(item.dataset.group);
  for (const item of box.querySelectorAll(".group")) {
    item.classList.toggle("pinned", open.has(item.dataset.group));
    item.classList.toggle("hit", item.dataset.group === pointed);
  }
}

// One line for each piece that differs, with those equal to it.
function piecesTable(program) {
  const groups = new Map();
  program.pieces.forEach((piece, p) => {
    if (!groups.has(piece.equal_to)) groups.set(piece.equal_to, []);
    groups.get(piece.equal_to).push(p);
  });
  const rows = [...groups].map(([first, equal]) => {
    const piece = program.pieces[first];
    const nodes = program.nodes.slice(piece.first, piece.last);
    const counts = new Map();
    for (const node of nodes) counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
    const ops = [...counts].map(([op, n]) => (n > 1 ? `${op} ×${n}` : op)).join(", ");
    const row = el("tr", {}, el("th", {scope: "row"}, numbersText(equal)),
                   el("td", {className: "number"}, `${equal.length}`),
                   el("td", {className: "number"}, `${nodes.length}`),
                   el("td", {}, piece.splitting ? "splitting" : ""),
                   el("td", {}, el("code", {}, ops)),
                   el("td", {}, el("code", {}, `${valueName(nodes[0].out[0])} … ` +
                                                   valueName(nodes.at(-1).out[0]))),
                   el("td", {}, el("code", {className: "soft"}, piece.hash)));
    row.dataset.pieces = equal.length;
    return row;
  });
  const head = ["Pieces", "How many", "Calls in each", "", "Ops", "From … to, in the first", "Hash"];
  const table = el("table", {},
      el("thead", {}, el("tr", {}, ...head.map((text) => el("th", {scope: "col"}, text)))),
      el("tbody", {}, ...rows));
  const count = program.pieces.length;
  return el("div", {className: "scroll program"},
            el("p", {}, count === 1 ? "1 piece" : `${count} pieces, ${groups.size} of them differ`),
            table);
}

const rangesText = (program) =>
    program.ranges.map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`)).join(", ") + " tokens";

function showProgram(index) {
  for (const parent of [byId("graphs"), byId("tables")])
    [...parent.children].forEach((box, i) => { box.hidden = i !== index; });
}

function renderGraphs() {
  data.programs.forEach((program, i) => {
    byId("graphs").append(new View(program, i).render());
    const table = piecesTable(program);
    table.dataset.program = i;
    byId("tables").append(table);
    const radio = el("input", {type: "radio", name: "program", value: `${i}`, checked: i === 0});
    radio.addEventListener("change", () => showProgram(i));
    byId("programs").append(el("label", {}, radio,
        ` ${rangesText(program)}: ${data.before.length} calls become ${program.nodes.length}` +
            (program.native.length > 0 ? `, native: ${program.native.join(", ")}` : "")));
  });
  showProgram(0);
  const openAll = (open) => {
    for (const row of document.querySelectorAll(".row")) row.open = open;
  };
  byId("open-all").addEventListener("click", () => openAll(true));
  byId("close-all").addEventListener("click", () => openAll(false));
}
