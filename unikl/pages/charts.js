// Two plots, drawn as SVG: the error of each case, and how the errors are distributed.
// The error is on a log scale, with a place of its own for 0 (below) and for no number (above).

const DASHES = ["", "8 4", "2 4", "10 4 2 4"];
const SHAPES = [
  (x, y) => `M${x - 3},${y}a3,3 0 1,0 6,0a3,3 0 1,0 -6,0`,
  (x, y) => `M${x - 3},${y - 3}h6v6h-6z`,
  (x, y) => `M${x},${y - 4}l4,7h-8z`,
  (x, y) => `M${x},${y - 4}l4,4l-4,4l-4,-4z`,
];
const POINTS = 240; // across: of more cases, the worst of each bin is drawn

const power = (k) => "10" + String(k).replace(/[-\d]/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻");

/** How series `i` is drawn; distinct without colour. */
function look(i) {
  return {
    colour: `var(--series-${i % 8})`,
    dash: DASHES[(i + Math.floor(i / 8)) % DASHES.length],
    shape: SHAPES[(i + Math.floor(i / 4)) % SHAPES.length],
  };
}

class LogScale {
  constructor(values, limit, bottom, top) {
    const logs = values.filter((v) => v > 0 && v < Infinity).map(Math.log10);
    if (limit > 0 && limit < Infinity) logs.push(Math.log10(limit));
    this.low = logs.length ? Math.floor(logs.reduce((a, b) => Math.min(a, b))) : -1;
    this.high = logs.length ? Math.ceil(logs.reduce((a, b) => Math.max(a, b)) + 1e-9) : 1;
    const band = (top - bottom) / 12;
    Object.assign(this, { bottom, top, from: bottom + band, to: top - band });
  }

  at(value) {
    if (!(value > 0)) return Number.isNaN(value) ? this.top : this.bottom;
    if (value === Infinity) return this.top;
    const part = (Math.log10(value) - this.low) / (this.high - this.low);
    return this.from + part * (this.to - this.from);
  }

  ticks() {
    const step = Math.max(1, Math.ceil((this.high - this.low) / 8));
    const marks = [
      ["0", this.bottom],
      ["∞, NaN", this.top],
    ];
    for (let k = this.low; k <= this.high; k += step) marks.push([power(k), this.at(10 ** k)]);
    return marks;
  }
}

/** At most POINTS of the errors, the worst of each bin; gaps (undefined) stay where all miss. */
function thin(errors) {
  if (errors.length <= POINTS) return errors.map((error, i) => [i, error]);
  const bins = Array.from({ length: POINTS }, (_, i) => [
    ((i + 0.5) * errors.length) / POINTS,
    undefined,
  ]);
  errors.forEach((error, i) => {
    const bin = bins[Math.floor((i * POINTS) / errors.length)];
    if (error !== undefined && !(size(bin[1] ?? 0) > size(error))) bin[1] = error;
  });
  return bins;
}

/** series: [{name, index, errors (one a case, undefined for none)}], cases: their names. */
function linePlot(series, cases, limit, label, ordered) {
  const [width, height, left, right, low, high] = [720, 330, 62, 12, 290, 14];
  const scale = new LogScale(
    series.flatMap((s) => s.errors.filter((e) => e !== undefined)),
    limit,
    low,
    high,
  );
  const count = Math.max(...series.map((s) => s.errors.length), 1);
  const x = (i) => left + ((width - left - right) * (i + 0.5)) / count;
  const picture = element("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": label,
  });
  for (const [text, y] of scale.ticks()) {
    picture.append(element("line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y }));
    picture.append(
      element("text", { class: "axis", x: left - 8, y: y + 4, "text-anchor": "end" }, text),
    );
  }
  const bound = scale.at(limit);
  picture.append(
    element("line", { class: "limit", x1: left, x2: width - right, y1: bound, y2: bound }),
  );
  for (const { name, index, errors } of series)
    picture.append(curve(name, errors, cases, ordered, look(index), x, scale));
  picture.append(
    element(
      "text",
      { class: "limit-text", x: width - right, y: bound - 5, "text-anchor": "end" },
      `${show(limit)} eps allowed`,
    ),
  );
  const few = !ordered && count <= 8; // room for their names
  const axis = ordered
    ? `${count} cases, for each backend from its smallest error to its largest`
    : few
      ? ""
      : `${count} cases, as given`;
  picture.append(
    element(
      "text",
      { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" },
      axis,
    ),
  );
  cases.forEach((name, i) => {
    const short = name.length > 13 ? `${name.slice(0, 12)}…` : name;
    if (few)
      picture.append(element("text", { x: x(i), y: height - 14, "text-anchor": "middle" }, short));
  });
  return picture;
}

function curve(name, errors, cases, ordered, { colour, dash, shape }, x, scale) {
  const group = element("g", {});
  const points = thin(errors).filter(([, error]) => error !== undefined);
  const path = points.map(
    ([i, error], k) => `${k ? "L" : "M"}${x(i).toFixed(1)},${scale.at(error).toFixed(1)}`,
  );
  group.append(
    element("path", {
      class: "series",
      d: path.join(""),
      stroke: colour,
      "stroke-dasharray": dash,
    }),
  );
  if (errors.length > POINTS) return group;
  for (const [i, error] of points) {
    const mark = element("path", { d: shape(x(i), scale.at(error)), fill: colour });
    mark.append(
      element(
        "title",
        {},
        ordered ? `${name}: ${show(error)} eps` : `${name}, ${cases[i]}: ${show(error)} eps`,
      ),
    );
    group.append(mark);
  }
  return group;
}

function legend(series) {
  return series.map(({ name, index }) => {
    const { colour, dash, shape } = look(index);
    const line = element("path", {
      class: "series",
      d: "M0,7H34",
      stroke: colour,
      "stroke-dasharray": dash,
    });
    const mark = element("path", { d: shape(17, 7), fill: colour });
    return element(
      "li",
      {},
      element("svg", { viewBox: "0 0 34 14", "aria-hidden": "true" }, line, mark),
      name,
    );
  });
}

/** How many errors fall into each half decade; the first bin is 0, the last inf and NaN. */
function bins(errors, low, high) {
  const counts = new Array(2 * (high - low) + 2).fill(0);
  for (const error of errors) {
    if (error === 0) counts[0] += 1;
    else if (size(error) === Infinity) counts[counts.length - 1] += 1;
    else counts[1 + Math.min(2 * (high - low) - 1, Math.floor(2 * (Math.log10(error) - low)))] += 1;
  }
  return counts;
}

function histogram(dtype, errors, limit, low, high) {
  const [width, height, left, base] = [340, 170, 34, 142];
  const counts = bins(errors, low, high);
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  const step = (width - left) / (counts.length + 6); // 0 and infinity stand apart
  const place = (i) => left + step * (i === 0 ? 0 : i === counts.length - 1 ? i + 6 : i + 3);
  const placeOf = (log) => left + step * (4 + 2 * (log - low));
  const beyond = errors.filter((error) => size(error) > limit).length;
  const label = `${dtype}: ${errors.length} errors, ${beyond} beyond ${show(limit)} eps`;
  const picture = element("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": label,
  });
  const wrong = bins(
    errors.filter((error) => size(error) > limit),
    low,
    high,
  );
  counts.forEach((count, i) => {
    const name =
      i === 0
        ? "0"
        : i === counts.length - 1
          ? "∞ or NaN"
          : `${show(10 ** (low + (i - 1) / 2))} to ${show(10 ** (low + i / 2))} eps`;
    let foot = base; // what is allowed below, what is beyond on top of it
    for (const [part, kind] of [
      [count - wrong[i], "bar"],
      [wrong[i], "bar over"],
    ]) {
      const tall = part ? Math.max(2, (part / most) * (base - 14)) : 0;
      foot -= tall;
      const bar = element("rect", {
        class: kind,
        x: place(i) + 1,
        y: foot,
        width: step - 2,
        height: tall,
      });
      bar.append(element("title", {}, `${name}: ${part}`));
      if (part) picture.append(bar);
    }
  });
  const mark = limit === Infinity ? width : limit > 0 ? placeOf(Math.log10(limit)) : left;
  picture.append(element("line", { class: "limit", x1: mark, x2: mark, y1: 8, y2: base }));
  picture.append(element("line", { class: "frame", x1: left, x2: width, y1: base, y2: base }));
  picture.append(
    element("text", { class: "axis", x: left - 6, y: 18, "text-anchor": "end" }, String(most)),
  );
  const every = Math.max(1, Math.ceil((high - low) / 6));
  for (let k = low; k <= high; k += every) {
    picture.append(
      element(
        "text",
        { class: "axis", x: placeOf(k), y: base + 17, "text-anchor": "middle" },
        power(k),
      ),
    );
  }
  if (counts[0])
    picture.append(
      element(
        "text",
        { class: "axis", x: left + step / 2, y: base + 17, "text-anchor": "middle" },
        "0",
      ),
    );
  if (counts.at(-1))
    picture.append(
      element(
        "text",
        { class: "axis", x: width - step / 2, y: base + 17, "text-anchor": "middle" },
        "∞",
      ),
    );
  return element(
    "div",
    {},
    element(
      "h3",
      {},
      `${dtype} `,
      element("span", { class: "note" }, `${errors.length} compared, ${beyond} beyond`),
    ),
    picture,
  );
}
