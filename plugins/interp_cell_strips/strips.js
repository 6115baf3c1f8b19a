
// Pointing at a letter, or moving to it with the arrow keys, shows the values of its column.
{
  const heads = [...document.querySelectorAll(".strips .input td[data-note]")];
  let highlighted = [];

  function column(cell) {
    return [...cell.closest("table").rows].map(row => row.cells[cell.cellIndex]);
  }

  function describe(cell) {
    const [input, output, ...rest] = column(cell);
    const position = [...input.parentNode.cells].filter(other => other.dataset.note).indexOf(input);
    const wrong = output.classList.contains("framed") ? ` (${output.dataset.note})` : "";
    const lines = rest.map(other => {
      const row = other.parentNode, values = row.dataset.values;
      const parts = [row.cells[0].firstChild.textContent];
      if (row.className === "output") parts.push(other.textContent);
      if (values) parts.push(values.split(",")[position]);
      return parts.join("  ");
    });
    return [`${input.textContent} ⇒ ${output.textContent}${wrong}`, input.dataset.note, ...lines].join("\n");
  }

  // Values of the units at a letter, by unit name.
  function values(head) {
    const position = [...head.parentNode.cells].filter(other => other.dataset.note).indexOf(head);
    const rows = column(head).map(cell => cell.parentNode).filter(row => row.dataset.key && row.dataset.values);
    return Object.fromEntries(rows.map(row => [row.dataset.key, row.dataset.values.split(",")[position]]));
  }

  function leave() {
    highlighted.forEach(cell => cell.classList.remove("chosen"));
    highlighted = [];
    hideTip();
    tell({ over: null });
  }

  function enter(head) {
    leave();
    highlighted = column(head);
    highlighted.forEach(cell => cell.classList.add("chosen"));
    const top = head.getBoundingClientRect(), bottom = highlighted[highlighted.length - 1].getBoundingClientRect();
    showTip(describe(head), { left: top.left, width: top.width, top: top.top, bottom: bottom.bottom });
    tell({ over: { words: `${highlighted[0].textContent} ⇒ ${highlighted[1].textContent}`, values: values(head) } });
  }

  // A span is selected by dragging from its first letter to its last one, or with Enter on the first and Shift+Enter on
  // the last.
  const [sample, step] = [0, 1].map(at => head => +head.dataset.note.match(/\d+/g)[at]);
  let first = null;

  function span(last) {
    if (!first || sample(first) !== sample(last)) first = last;
    const ends = [step(first), step(last)].sort((a, b) => a - b);
    mark(sample(last), ends[0], ends[1] + 1);
    tell({ sample: sample(last), span: [ends[0], ends[1] + 1] });
  }

  function mark(from, start, stop) {
    heads.forEach(head => head.classList.toggle("spanned",
      sample(head) === from && step(head) >= start && step(head) < stop));
  }

  addEventListener("message", event => {
    const message = event.source === parent && event.data?.interp;
    if (message && "mark" in message) mark(...(message.mark ?? [-1, 0, 0]));
  });

  function headOf(event) {
    const cell = event.target.closest("td"), head = cell && column(cell)[0];
    return head && head.dataset.note ? head : null;
  }

  roam(heads, enter, leave);
  heads.forEach(head => head.addEventListener("keydown", event => {
    if (event.key !== "Enter") return;
    if (!event.shiftKey) first = null;
    span(head);
  }));
  const strips = document.querySelector(".strips");
  strips.addEventListener("pointerdown", event => { first = headOf(event); });
  strips.addEventListener("pointerup", event => { const head = headOf(event); if (first && head) span(head); });
  strips.addEventListener("click", event => { const name = event.target.closest("th"); if (name) choose(name.parentNode); });
  strips.addEventListener("pointerover", event => { const head = headOf(event); if (head) enter(head); else leave(); });
  strips.addEventListener("pointerleave", leave);
}
