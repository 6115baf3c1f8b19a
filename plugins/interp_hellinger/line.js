
// A dashboard around this page says which token a reader points at: a line stands where the unit's value lies.
if (framed) {
  const axis = document.querySelector(".axis"), scene = axis.querySelector("svg");
  const [low, high, left, top, width, height] = axis.dataset.axis.split(" ").map(Number);
  const part = (name, look, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    made.setAttribute("class", `pointed ${look}`);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    scene.append(made);
    return made;
  };
  addEventListener("message", event => {
    const told = event.source === parent && event.data?.interp;
    if (!told || !("line" in told)) return;
    scene.querySelectorAll(".pointed").forEach(one => one.remove());
    if (!told.line || !Number.isFinite(told.line.value)) return;
    const share = Math.min(Math.max((told.line.value - low) / (high - low), 0), 1), x = left + share * width;
    part("line", "line-ink", { x1: x, x2: x, y1: top - 4, y2: top + height, "stroke-width": 2 });
    part("text", "ink mono", { x: share > 0.5 ? x - 7 : x + 7, y: top + 10, dy: ".35em", "font-size": 13,
      "text-anchor": share > 0.5 ? "end" : "start" }).textContent = String(told.line.words);
  });
}
