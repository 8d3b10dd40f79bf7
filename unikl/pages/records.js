// The comparisons, as the page holds them, and which of two is worse.

const data = JSON.parse(document.getElementById("data").textContent);
data.limit = number(data.limit);
const byId = (id) => document.getElementById(id);
const RANK = { skipped: 0, agrees: 1, differs: 2, error: 3 };
const records = data.rows.map((cells) => {
  const record = Object.fromEntries(data.columns.map((key, i) => [key, cells[i]]));
  record.error = number(record.error);
  record.ulp = number(record.ulp);
  record.text = [...cells.slice(0, 6), record.what, record.got, record.expected]
    .join(" ")
    .toLowerCase();
  const wrong = RANK[record.status] > 1;
  // A word says more than a number of eps: NaN, negative, shape ...
  record.word = wrong && !/\beps\b/.test(record.what) ? record.what : "";
  // What the plots see: a wrong result without a number is as far off as can be.
  record.off = record.error ?? (wrong ? Infinity : undefined);
  return record;
});
const unique = (key) => [...new Set(records.map((record) => record[key]))];
const CASES = unique("case");
const BACKENDS = unique("backend");
const DTYPES = unique("dtype");
const FIELDS = {
  backend: BACKENDS,
  dtype: DTYPES,
  mode: unique("mode"),
  quantity: unique("quantity"),
  status: unique("status"),
};

const gravity = (record) => 2 * RANK[record.status] + (record.word ? 1 : 0);

/** Orders records, the worst first: by status, words before numbers, then by error. */
function graver(a, b) {
  const [x, y] = [size(a.off ?? 0), size(b.off ?? 0)];
  return gravity(b) - gravity(a) || (x === y ? 0 : y - x);
}

const worst = (found) => found.reduce((a, b) => (graver(a, b) > 0 ? b : a));
