
// Pointing at a letter, or moving to it with the arrow keys, reads out its whole column.
{
  const heads = [...document.querySelectorAll(".strips .input td[data-note]")];
  let lit = [];

  function column(cell) {
    return [...cell.closest("table").rows].map(row => row.cells[cell.cellIndex]);
  }

  function read(cell) {
    const [input, output, ...rest] = column(cell);
    const place = [...input.parentNode.cells].filter(other => other.dataset.note).indexOf(input);
    const wrong = output.classList.contains("framed") ? ` (${output.dataset.note})` : "";
    const lines = rest.map(other => {
      const row = other.parentNode, values = row.dataset.values;
      const said = [row.cells[0].firstChild.textContent];
      if (row.className === "output") said.push(other.textContent);
      if (values) said.push(values.split(",")[place]);
      return said.join("  ");
    });
    return [`${input.textContent} ⇒ ${output.textContent}${wrong}`, input.dataset.note, ...lines].join("\n");
  }

  function leave() {
    lit.forEach(cell => cell.classList.remove("chosen"));
    lit = [];
    hideTip();
  }

  function enter(head) {
    leave();
    lit = column(head);
    lit.forEach(cell => cell.classList.add("chosen"));
    const top = head.getBoundingClientRect(), bottom = lit[lit.length - 1].getBoundingClientRect();
    showTip(read(head), { left: top.left, width: top.width, top: top.top, bottom: bottom.bottom });
  }

  roam(heads, enter, leave);
  document.querySelector(".strips").addEventListener("pointerover", event => {
    const cell = event.target.closest("td"), head = cell && column(cell)[0];
    if (head && head.dataset.note) enter(head); else leave();
  });
  document.querySelector(".strips").addEventListener("pointerleave", leave);
}
