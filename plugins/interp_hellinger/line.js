
// When a dashboard frames this page, it reports the token under the pointer: draw a line at the unit's value there.
if (framed) {
  const axis = document.querySelector(".axis"), scene = axis.querySelector("svg");
  const [low, high, left, top, width, height] = axis.dataset.axis.split(" ").map(Number);
  const addElement = (name, look, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    element.setAttribute("class", `pointed ${look}`);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    scene.append(element);
    return element;
  };
  addEventListener("message", event => {
    const message = event.source === parent && event.data?.interp;
    if (!message || !("line" in message)) return;
    scene.querySelectorAll(".pointed").forEach(element => element.remove());
    if (!message.line || !Number.isFinite(message.line.value)) return;
    const share = Math.min(Math.max((message.line.value - low) / (high - low), 0), 1), x = left + share * width;
    addElement("line", "line-ink", { x1: x, x2: x, y1: top - 4, y2: top + height, "stroke-width": 2 });
    addElement("text", "ink mono", { x: share > 0.5 ? x - 7 : x + 7, y: top + 10, dy: ".35em", "font-size": 13,
      "text-anchor": share > 0.5 ? "end" : "start" }).textContent = String(message.line.words);
  });
}
