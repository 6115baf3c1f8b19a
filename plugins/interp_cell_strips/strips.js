
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

  // The value of each unit at a letter, by the unit's name.
  function values(head) {
    const place = [...head.parentNode.cells].filter(other => other.dataset.note).indexOf(head);
    const rows = column(head).map(cell => cell.parentNode).filter(row => row.dataset.key && row.dataset.values);
    return Object.fromEntries(rows.map(row => [row.dataset.key, row.dataset.values.split(",")[place]]));
  }

  function leave() {
    lit.forEach(cell => cell.classList.remove("chosen"));
    lit = [];
    hideTip();
    tell({ over: null });
  }

  function enter(head) {
    leave();
    lit = column(head);
    lit.forEach(cell => cell.classList.add("chosen"));
    const top = head.getBoundingClientRect(), bottom = lit[lit.length - 1].getBoundingClientRect();
    showTip(read(head), { left: top.left, width: top.width, top: top.top, bottom: bottom.bottom });
    tell({ over: { words: `${lit[0].textContent} ⇒ ${lit[1].textContent}`, values: values(head) } });
  }

  // Letters from the one where the pointer went down, or where Enter was pressed, to the one where it goes up, or
  // where Shift and Enter are pressed, are a span.
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
    const told = event.source === parent && event.data?.interp;
    if (told && "mark" in told) mark(...(told.mark ?? [-1, 0, 0]));
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
