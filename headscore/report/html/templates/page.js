"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data) return;
  const byId = (id) => document.getElementById(id);
  document.documentElement.classList.add("scripted");
  const size = data.layers * data.heads, total = data.roles.length * size;

  // Columns come shortened where all heads of a layer, or all cells, agree.
  const columns = new Map();
  for (const column of data.columns) {
    const each = total / column.values.length;
    const at = column.names
      ? (cell) => column.names[column.values[Math.floor(cell / each)]]
      : (cell) => column.values[Math.floor(cell / each)];
    columns.set(column.name, { ...column, at });
  }
  columns.set("role", { title: "role", kind: "text", at: (cell) => data.roles[Math.floor(cell / size)] });
  columns.set("layer", { title: "layer", kind: "int", at: (cell) => Math.floor((cell % size) / data.heads) });
  columns.set("head", { title: "head", kind: "int", at: (cell) => cell % data.heads });

  // As Python writes it: 3.69e-06, not 0.00000369.
  const plain = (value) => (value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential().replace(/e-(\d)$/, "e-0$1") : String(value));
  const write = (column, cell) => {
    const value = column.at(cell);
    if (column.kind === "bool") return value ? "yes" : "";
    if (value === null || value === undefined) return "-";
    if (column.kind === "p") return value < 1e-300 ? "< 1e-300" : plain(value);
    if (column.kind === "number") return plain(Number(value.toPrecision(4)));
    if (column.kind === "verdict") return value.replace("_", " ");
    return String(value);
  };

  // The numbers of the cell under the pointer or the cursor.
  const detail = byId("detail");
  const silent = new Set(["role", "layer", "head", "se", "df", "label", "deff", "flags"]);
  const describe = (cell) => {
    const parts = [`${columns.get("role").at(cell)}: layer ${columns.get("layer").at(cell)}, head ${columns.get("head").at(cell)}`];
    for (const [name, column] of columns) {
      const text = write(column, cell);
      if (silent.has(name) || text === "" || text === "-") continue;
      if (column.kind === "bool") parts.push(column.title);
      else if (name !== "status" || text !== "ok") parts.push(`${column.title} ${text}`);
    }
    return parts.join(" · ");
  };
  const roles = (place) => {
    const here = data.roles.filter((_, role) => labels[role * size + place]);
    return `layer ${Math.floor(place / data.heads)}, head ${place % data.heads}: ${here.join(", ") || "no role shown"}`;
  };

  const labelName = columns.has("label") ? "label" : "label_after";
  const labels = new Uint8Array(total);
  for (let cell = 0; cell < total; cell++) labels[cell] = columns.get(labelName).at(cell) ? 1 : 0;

  for (const map of document.querySelectorAll(".map")) {
    const svg = map.querySelector("svg"), cursor = map.querySelector(".cursor");
    const role = map.dataset.role === "" ? -1 : Number(map.dataset.role);
    let place = 0;
    const show = (next) => {
      place = next;
      cursor.setAttribute("x", (place % data.heads) * 10 - 1);
      cursor.setAttribute("y", Math.floor(place / data.heads) * 10 - 1);
      detail.textContent = role < 0 ? roles(place) : describe(role * size + place);
      detail.hidden = false;
    };
    const hide = () => { cursor.setAttribute("x", -20); detail.hidden = true; };
    map.tabIndex = 0;
    map.setAttribute("role", "application");
    map.setAttribute("aria-label", `Map of ${map.dataset.name}; the arrow keys move over its cells`);
    map.setAttribute("aria-describedby", "detail");
    const pointed = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const head = Math.floor(point.x / 10), layer = Math.floor(point.y / 10);
      if (head >= 0 && head < data.heads && layer >= 0 && layer < data.layers) show(layer * data.heads + head);
      else hide();
    };
    svg.addEventListener("pointermove", pointed);
    svg.addEventListener("pointerdown", pointed);
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
    map.addEventListener("focus", () => { if (map.matches(":focus-visible")) show(place); });
    map.addEventListener("blur", hide);
    map.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -data.heads, ArrowDown: data.heads }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      if (Math.abs(step) === 1 && Math.floor((place + step) / data.heads) !== Math.floor(place / data.heads)) return;
      if (place + step >= 0 && place + step < size) show(place + step);
    });
  }

  // The table: sorted and filtered from the data, a page of rows at a time.
  const table = byId("all"), body = table.tBodies[0], more = byId("more"), count = byId("filter-count");
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.dataset.column);
  const PAGE = 500;
  // Until a header is chosen, rows stand in the order of the page, which filters keep.
  let sorted = null, ascending = false, order = data.order, shown = 0;
  const changed = columns.has("outcome")
    ? (cell) => !["kept", "absent"].includes(columns.get("outcome").at(cell))
    : (cell) => Boolean(columns.get(labelName).at(cell));
  const append = () => {
    const rows = document.createDocumentFragment();
    for (const cell of order.slice(shown, shown + PAGE)) {
      const row = rows.appendChild(document.createElement("tr"));
      for (const name of names) row.appendChild(document.createElement("td")).textContent = write(columns.get(name), cell);
    }
    body.appendChild(rows);
    shown = Math.min(order.length, shown + PAGE);
    more.hidden = shown === order.length;
  };
  const tell = () => { count.textContent = `${order.length} of ${total} cells`; };
  const refresh = () => {
    const role = byId("filter-role").value, only = byId("filter-label").checked;
    const [layer, head] = byId("filter-head").value.trim().split(".");
    order = data.order.filter((cell) =>
      (role === "" || Math.floor(cell / size) === Number(role))
      && (!layer || String(columns.get("layer").at(cell)) === layer)
      && (!head || String(columns.get("head").at(cell)) === head)
      && (!only || changed(cell)));
    if (sorted) {
      const { at, kind } = columns.get(sorted), sign = ascending ? 1 : -1;
      order.sort((a, b) => {
        const x = at(a), y = at(b);
        const gone = (x === null) - (y === null); // what is missing comes last
        if (gone) return gone;
        return sign * (["text", "verdict"].includes(kind) ? String(x).localeCompare(String(y)) : x - y);
      });
    }
    tell();
    byId("left-out")?.remove();
    body.replaceChildren();
    shown = 0;
    append();
  };
  more.addEventListener("click", append);
  byId("filters").addEventListener("input", refresh);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      // First click, second click, and back to the order of the page.
      const name = header.dataset.column;
      const first = ["text", "verdict", "p"].includes(columns.get(name).kind) || ["layer", "head"].includes(name);
      if (sorted !== name) [sorted, ascending] = [name, first];
      else if (ascending === first) ascending = !first;
      else sorted = null;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      if (sorted) header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      refresh();
    });
  }
  tell();

  // The rows that pass the filters, in their order; texts that a spreadsheet would run get a '.
  const field = (column, cell) => {
    const value = column.at(cell), text = value === null || value === undefined ? "" : String(value);
    const safe = ["text", "verdict"].includes(column.kind) && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  byId("download").addEventListener("click", () => {
    const lines = [names, ...order.map((cell) => names.map((name) => field(columns.get(name), cell)))];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.map((line) => `${line.join(",")}\n`).join("")], { type: "text/csv" }));
    link.download = "headscore-cells.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });

  // Labels at another threshold: the one-sided t-test again, from n, mean and standard error.
  const slider = byId("tau-slider");
  if (!slider) return;

  const logGamma = (x) => { // Lanczos, g = 7
    const c = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];
    let sum = c[0];
    for (let k = 1; k < 9; k++) sum += c[k] / (x - 1 + k);
    const t = x + 6.5;
    return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
  };
  const fraction = (a, b, x) => { // continued fraction of the incomplete beta function, Lentz
    const tiny = 1e-300;
    let c = 1, d = 1 - ((a + b) * x) / (a + 1);
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    let value = d;
    for (let m = 1; m <= 300; m++) {
      for (const term of [(m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)), (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))]) {
        d = 1 + term * d;
        d = 1 / (Math.abs(d) < tiny ? tiny : d);
        c = 1 + term / c;
        if (Math.abs(c) < tiny) c = tiny;
        value *= d * c;
      }
      if (Math.abs(d * c - 1) < 1e-14) break;
    }
    return value;
  };
  const beta = (a, b, x) => {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
    return x < (a + 1) / (a + b + 2) ? (front * fraction(a, b, x)) / a : 1 - (front * fraction(b, a, 1 - x)) / b;
  };
  const upperTail = (t, df) => {
    const half = 0.5 * beta(df / 2, 0.5, df / (df + t * t));
    return t > 0 ? half : 1 - half;
  };
  const never = new Set(["no_attention", "no_head", "nonfinite", "no_sieve", "insufficient_n"]);
  const pvalue = (cell, tau) => {
    const get = (name) => columns.get(name)?.at(cell) ?? null;
    const mean = get("mean"), se = get("se"), attainable = get("attainable");
    if (mean === null || se === null || never.has(get("status"))) return null;
    if (attainable !== null && attainable <= tau) return null;
    const floor = 1e-6 * Math.max(Math.abs(mean), tau);
    // Equal scores: Markov's inequality for each unit.
    if (se === 0) return mean - tau > floor ? Math.pow(tau / mean, get("n_clusters") ?? get("n")) : 1;
    return upperTail((mean - tau) / Math.hypot(se, floor), get("df"));
  };
  const significant = (p) => {
    const cells = [...p.keys()].filter((cell) => p[cell] !== null).sort((a, b) => p[a] - p[b]);
    const m = cells.length, alpha = Number(data.alpha), method = data.adjust;
    const harmonic = method === "by" ? cells.reduce((sum, _, rank) => sum + 1 / (rank + 1), 0) : 1;
    const passes = (rank) => {
      const value = p[cells[rank]];
      if (method === "none") return value <= alpha;
      if (method === "holm") return value * (m - rank) <= alpha;
      return (value * harmonic * m) / (rank + 1) <= alpha;
    };
    let last = 0;
    if (method === "holm" || method === "none") while (last < m && passes(last)) last++;
    else for (let rank = 0; rank < m; rank++) if (passes(rank)) last = rank + 1;
    return new Set(cells.slice(0, last));
  };
  // The marks of `headscore.report.html.marks` follow, and the squares of the map of all roles;
  // everything of class "fixed" is greyed.
  const original = labels.slice();
  const at = (place, x, y) => `M${(place % data.heads) * 10 + x} ${Math.floor(place / data.heads) * 10 + y}`;
  const explained = (cell) => ["has_not", "undecided"].includes(columns.get(data.control)?.at(cell));
  const squares = [...document.querySelectorAll(".legend [data-place]")].map((key) => /M([\d.]+) ([\d.]+)(.*)/.exec(key.getAttribute("d")));
  const redraw = (same) => {
    for (const map of document.querySelectorAll('.map:not([data-role=""])')) {
      const role = Number(map.dataset.role), paths = { has: "", position: "" };
      let found = 0;
      for (let place = 0; place < size; place++) {
        const cell = role * size + place;
        if (!labels[cell]) continue;
        found++;
        const state = explained(cell) ? "position" : "has";
        paths[state] += at(place, 4.5, 4.5) + data.shapes[state];
      }
      for (const state in paths) map.querySelector(`.sign-${state}`).setAttribute("d", paths[state]);
      // Whether a cell without the role lacks it is known at the report's threshold only.
      for (const mark of map.querySelectorAll(".sign-undecided, .sign-has-not, .sign-unknown")) mark.toggleAttribute("hidden", !same);
      document.querySelector(`[data-count="${role}"]`).textContent = found;
    }
    squares.forEach(([, x, y, square], role) => {
      let path = "";
      for (let place = 0; place < size; place++) if (labels[role * size + place]) path += at(place, Number(x), Number(y)) + square;
      document.querySelector(`[data-combined="${role}"]`).setAttribute("d", path);
    });
    document.documentElement.classList.toggle("moved", !same);
  };
  const retest = () => {
    const tau = Number(slider.value), same = tau === Number(data.tau);
    byId("tau-value").textContent = tau;
    byId("tau-note").hidden = byId("tau-reset").hidden = same;
    if (same) labels.set(original);
    else {
      const p = new Array(total);
      for (let cell = 0; cell < total; cell++) p[cell] = pvalue(cell, tau);
      const found = significant(p);
      for (let cell = 0; cell < total; cell++) labels[cell] = found.has(cell) ? 1 : 0;
    }
    redraw(same);
  };
  slider.addEventListener("input", retest);
  byId("tau-reset").addEventListener("click", () => { slider.value = data.tau; retest(); slider.focus(); });
})();
