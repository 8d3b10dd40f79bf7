// Small things: elements, numbers, tables that are cut into pages.

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "rect", "text", "title"];
  const made = svg.includes(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** The number of a JSON value: Python's inf and nan are strings there; null stays. */
function number(value) {
  if (typeof value !== "string") return value;
  return { inf: Infinity, "-inf": -Infinity, nan: NaN }[value];
}

/** NaN and a missing number that is wrong count as the largest. */
const size = (error) => (error === null || Number.isNaN(error) ? Infinity : Math.abs(error));

function show(value) {
  if (value === null) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const far = Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3;
  return far ? value.toExponential(1).replace("e+", "e") : String(Number(value.toPrecision(3)));
}

const SIGNS = { agrees: "✓", differs: "✗", error: "!", skipped: "–" };

function badge(status) {
  const sign = element("span", { "aria-hidden": "true" }, SIGNS[status]);
  return element("span", { class: `badge ${status}` }, sign, ` ${status}`);
}

/** Buttons that turn the pages of `draw(first, last)`. */
class Pager {
  constructor(place, length, draw) {
    Object.assign(this, { place, length, draw, page: 0, total: 0 });
    this.back = element("button", { type: "button", onclick: () => this.turn(-1) }, "‹ Previous");
    this.text = element("span", { role: "status" });
    this.next = element("button", { type: "button", onclick: () => this.turn(1) }, "Next ›");
    place.append(this.back, this.text, this.next);
  }

  reset(total) {
    Object.assign(this, { total, page: 0 });
    this.turn(0);
  }

  turn(by) {
    this.page += by;
    const first = this.page * this.length;
    const last = Math.min(first + this.length, this.total);
    this.back.disabled = this.page === 0;
    this.next.disabled = last >= this.total;
    this.text.textContent = `${first + 1} to ${last} of ${this.total}`;
    this.place.hidden = this.total <= this.length;
    this.draw(first, last);
  }
}

/** A table of records; `columns` are {key, title, cell(record), kind, sort}. */
function table(caption, columns, records, sorted = null, onsort = null) {
  const heads = columns.map(({ key, title, kind = "" }) => {
    const order = sorted && sorted.key === key ? (sorted.down ? "descending" : "ascending") : null;
    const inner = onsort
      ? element("button", { type: "button", "data-key": key, onclick: () => onsort(key) }, title)
      : title;
    return element("th", { scope: "col", class: kind, "aria-sort": order }, inner);
  });
  const lines = records.map((record) =>
    element(
      "tr",
      {},
      ...columns.map(({ cell, kind = "", head }) =>
        element(head ? "th" : "td", head ? { scope: "row" } : { class: kind }, cell(record)),
      ),
    ),
  );
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...lines),
  );
}
