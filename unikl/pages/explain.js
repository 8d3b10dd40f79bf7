// Find categories: rows of other names are hidden, in every table.
{
  const box = document.getElementById("search");
  const rows = [...document.querySelectorAll("tbody tr")];
  const names = rows.map((row) => row.cells[0].textContent.toLowerCase());
  const find = () => {
    const word = box.value.trim().toLowerCase();
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden = !names[i].includes(word);
      shown += !row.hidden;
    });
    document.getElementById("count").textContent = `${shown} of ${rows.length} lines`;
  };
  box.addEventListener("input", find);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target === box) return;
    event.preventDefault();
    box.focus();
  });
  find();
}
