// The filter: words to search for, and menus of what to show.

const state = {
  off: Object.fromEntries(Object.keys(FIELDS).map((key) => [key, new Set()])),
  only: null,
  sort: null,
};
let shown = [];

function passing() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  return records.filter(
    (record) =>
      Object.keys(FIELDS).every((key) => !state.off[key].has(record[key])) &&
      words.every((word) => record.text.includes(word)),
  );
}

function menu(key, values) {
  const summary = element("summary", {});
  const boxes = values.map((value) => {
    const box = element("input", { type: "checkbox", name: key, value, checked: "" });
    box.addEventListener("change", () => {
      if (box.checked) state.off[key].delete(value);
      else state.off[key].add(value);
      refresh();
    });
    return element("label", {}, box, key === "status" ? badge(value) : value);
  });
  const fields = element("fieldset", {}, element("legend", {}, `Show ${key}`), ...boxes);
  const made = element("details", { class: "menu", "data-key": key }, summary, fields);
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !made.open) return;
    made.open = false;
    summary.focus();
  });
  return made;
}

function labelMenus() {
  for (const made of document.querySelectorAll(".menu")) {
    const { key } = made.dataset;
    const [all, on] = [FIELDS[key].length, FIELDS[key].length - state.off[key].size];
    made.classList.toggle("active", on < all);
    const title = key[0].toUpperCase() + key.slice(1);
    made.querySelector("summary").textContent = on < all ? `${title}: ${on} of ${all}` : title;
  }
}

function reset() {
  byId("search").value = "";
  for (const set of Object.values(state.off)) set.clear();
  for (const box of document.querySelectorAll(".menu input")) box.checked = true;
  state.only = null;
  refresh();
}
