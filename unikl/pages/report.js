// The views of the comparisons that pass the filter.

let matrix = [];
const summaryPager = new Pager(byId("summary-pager"), 20, drawSummary);

function summarise() {
  const cells = new Map();
  for (const record of shown) {
    const line = cells.get(record.case) ?? cells.set(record.case, new Map()).get(record.case);
    (line.get(record.backend) ?? line.set(record.backend, []).get(record.backend)).push(record);
  }
  matrix = CASES.filter((name) => cells.has(name)).map((name) => {
    const line = new Map([...cells.get(name)].map(([backend, found]) => [backend, worst(found)]));
    return { name, line, worst: worst([...line.values()]) };
  });
  if (byId("summary-order").value === "worst") {
    matrix.sort((a, b) => graver(a.worst, b.worst));
  }
  summaryPager.reset(matrix.length);
}

function drawSummary(first, last) {
  const lines = matrix.slice(first, last);
  const backends = BACKENDS.filter((backend) => shown.some((record) => record.backend === backend));
  const cell = (line, backend) => {
    const record = line.line.get(backend);
    if (!record) return "";
    const { status } = record;
    const text =
      status === "error" || status === "skipped"
        ? status
        : record.word || (record.error === null ? status : show(record.error));
    const off = record.error === null ? record.what : `${show(record.error)} eps`;
    const label = `${line.name}, ${backend}: ${status}, ${record.word || off}`;
    const sign = element("span", { "aria-hidden": "true" }, `${SIGNS[status]} `);
    const focus = () => {
      state.only = { case: line.name, backend };
      drawRows();
      byId("rows-title").focus();
    };
    return element(
      "button",
      {
        type: "button",
        class: status,
        "aria-label": label,
        title: record.what || null,
        onclick: focus,
      },
      sign,
      text.length > 22 ? `${text.slice(0, 21)}…` : text,
    );
  };
  // The longer side goes down the page.
  const across = backends.length <= Math.max(8, lines.length);
  const made = across
    ? table(
        "",
        [
          { title: "Case", head: true, cell: (line) => line.name },
          ...backends.map((backend) => ({ title: backend, cell: (line) => cell(line, backend) })),
        ],
        lines,
      )
    : table(
        "",
        [
          { title: "Backend", head: true, cell: (backend) => backend },
          ...lines.map((line) => ({ title: line.name, cell: (backend) => cell(line, backend) })),
        ],
        backends,
      );
  made.classList.add("matrix");
  byId("summary").replaceChildren(made);
}

function drawPlots() {
  const ordered = byId("plot-order").value === "sorted";
  const some = new Set(shown.map((record) => record.case));
  const places = new Map(CASES.filter((name) => some.has(name)).map((name, i) => [name, i]));
  const series = BACKENDS.map((name, index) => ({
    name,
    index,
    errors: new Array(places.size).fill(undefined),
  }));
  const of = new Map(series.map((one) => [one.name, one]));
  for (const { case: name, backend, off } of shown) {
    const { errors } = of.get(backend);
    const at = places.get(name);
    if (off !== undefined && !(size(errors[at] ?? -1) >= size(off) && errors[at] !== undefined))
      errors[at] = off;
  }
  const drawn = series.filter((one) => one.errors.some((error) => error !== undefined));
  if (ordered)
    for (const one of drawn)
      one.errors = one.errors
        .filter((e) => e !== undefined)
        .sort((a, b) => (size(a) < size(b) ? -1 : 1));
  const most = (errors) => show(errors.reduce((a, error) => Math.max(a, size(error ?? 0)), 0));
  const each = drawn.map((one) => `${one.name} at most ${most(one.errors)}`).join(", ");
  const label = `Error in eps by case, log scale: ${each}. The table of the summary has the numbers.`;
  const many = drawn.length > 8 ? "Filter the backends to see fewer lines." : "";
  byId("plot-about").textContent = `The worst of each case and backend, in eps; log scale. ${many}`;
  byId("plot").replaceChildren(linePlot(drawn, [...places.keys()], data.limit, label, ordered));
  byId("legend").replaceChildren(...legend(drawn));
  drawDistribution();
}

function drawDistribution() {
  const errors = (dtype) =>
    shown
      .filter((record) => record.dtype === dtype && record.off !== undefined)
      .map((record) => record.off);
  const logs = [...shown.map((record) => record.off), data.limit]
    .filter((e) => e > 0 && e < Infinity)
    .map(Math.log10);
  const low = logs.length ? Math.floor(logs.reduce((a, b) => Math.min(a, b))) : -1;
  const high = logs.length ? Math.floor(logs.reduce((a, b) => Math.max(a, b))) + 1 : 1;
  const panels = DTYPES.filter((dtype) => errors(dtype).length).map((dtype) =>
    histogram(dtype, errors(dtype), data.limit, low, high),
  );
  byId("distribution").replaceChildren(
    ...(panels.length ? panels : [element("p", { class: "note" }, "Nothing to show.")]),
  );
}

const at = (record) => (record.index === null ? "" : `[${record.index.join(", ")}]`);
const COLUMNS = [
  { key: "status", title: "Status", cell: (record) => badge(record.status) },
  { key: "case", title: "Case", kind: "name", cell: (record) => record.case },
  { key: "backend", title: "Backend", kind: "name", cell: (record) => record.backend },
  { key: "mode", title: "Mode", cell: (record) => record.mode },
  { key: "dtype", title: "Dtype", cell: (record) => record.dtype },
  { key: "quantity", title: "Quantity", cell: (record) => record.quantity },
  { key: "error", title: "Error, eps", kind: "number", cell: (record) => show(record.error) },
  { key: "ulp", title: "ULP", kind: "number", cell: (record) => show(record.ulp) },
  { key: "what", title: "What is wrong", kind: "what", cell: (record) => record.what },
  { key: "got", title: "Got", kind: "value", cell: (record) => record.got },
  { key: "expected", title: "Expected", kind: "value", cell: (record) => record.expected },
  { key: "index", title: "At", kind: "value", cell: at },
];

function drawWorst() {
  const found = shown
    .filter((record) => size(record.off ?? 0) > 0)
    .sort(graver)
    .slice(0, 12);
  byId("worst").replaceChildren(
    found.length
      ? table("", COLUMNS, found)
      : element("p", { class: "note" }, "No comparison has an error."),
  );
}

let rows = [];
const rowsPager = new Pager(byId("rows-pager"), 50, (first, last) => {
  const { only, sort } = state;
  const caption = element("span", {}, only ? `Only ${only.case}, ${only.backend}. ` : "");
  if (only)
    caption.append(
      element(
        "button",
        {
          type: "button",
          id: "all",
          onclick: () => {
            state.only = null;
            drawRows();
            byId("rows-title").focus();
          },
        },
        "Show all",
      ),
    );
  byId("rows").replaceChildren(table(caption, COLUMNS, rows.slice(first, last), sort, sortBy));
});

function sortBy(key) {
  const down = state.sort?.key === key ? !state.sort.down : key === "error" || key === "ulp";
  state.sort = { key, down };
  drawRows();
  byId("rows").querySelector(`button[data-key="${key}"]`).focus();
}

function drawRows() {
  const { only, sort } = state;
  rows = only
    ? shown.filter((record) => record.case === only.case && record.backend === only.backend)
    : [...shown];
  if (sort) {
    const value =
      {
        error: (r) => (r.off === undefined ? -1 : size(r.off)),
        ulp: (r) => (r.ulp === null ? -1 : size(r.ulp)),
        status: (r) => RANK[r.status],
        index: at,
      }[sort.key] ?? ((r) => r[sort.key]);
    const keyed = rows.map((record) => [value(record), record]);
    keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (sort.down ? -1 : 1));
    rows = keyed.map(([, record]) => record);
  }
  rowsPager.reset(rows.length);
}

function refresh() {
  shown = passing();
  labelMenus();
  byId("count").textContent = `${shown.length} of ${records.length} comparisons`;
  for (const draw of [summarise, drawPlots, drawWorst, drawRows]) draw();
}

for (const [key, values] of Object.entries(FIELDS))
  if (values.length > 1) byId("menus").append(menu(key, values));
let waiting = 0;
byId("search").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, 80);
});
if (CASES.length > POINTS) byId("plot-order").value = "sorted"; // each line is too dense to follow
byId("reset").addEventListener("click", reset);
byId("summary-order").addEventListener("change", summarise);
byId("plot-order").addEventListener("change", drawPlots);
document.addEventListener("click", ({ target }) => {
  for (const made of document.querySelectorAll(".menu[open]"))
    if (!made.contains(target)) made.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, select")) return;
  event.preventDefault();
  byId("search").focus();
});
refresh();
