
// Pointing at a node lights up its edges and says what it pushes and what pushes it.
{
  const graph = document.querySelector(".scene"), nodes = [...graph.querySelectorAll(".node")];
  const edges = [...graph.querySelectorAll("line[data-value]")].reverse();  // the strongest first
  const byKey = new Map(nodes.map(node => [node.dataset.key, node]));
  const joined = new Set(edges.flatMap(edge => [edge.dataset.lower, edge.dataset.upper]));

  function name(key) {
    const arrow = key.includes(".forward.") ? "→" : key.includes(".backward.") ? "←" : "";
    return byKey.get(key).textContent + arrow;
  }

  function list(heading, own, end, sign) {
    const some = own.filter(edge => edge.dataset.value[0] === sign).slice(0, 5);
    const said = some.map(edge => `${name(edge.dataset[end])} ${edge.dataset.value.replace("-", "−")}`);
    return said.length ? `\n${heading} ${said.join(", ")}` : "";
  }

  // Below the edges, so that the tooltip does not hide them.
  function place(node) {
    const own = node.getBoundingClientRect();
    const under = [...joined].map(key => byKey.get(key).getBoundingClientRect().bottom);
    const bottom = joined.has(node.dataset.key) ? Math.max(...under) : own.bottom;
    return { left: own.left, width: own.width, top: own.top, bottom };
  }

  roam(nodes, node => {
    const key = node.dataset.key;
    const up = edges.filter(edge => edge.dataset.lower === key), down = edges.filter(edge => edge.dataset.upper === key);
    const near = new Set([key, ...up.map(edge => edge.dataset.upper), ...down.map(edge => edge.dataset.lower)]);
    graph.classList.toggle("pointing", near.size > 1);
    edges.forEach(edge => edge.classList.toggle("lit", edge.dataset.lower === key || edge.dataset.upper === key));
    nodes.forEach(other => other.classList.toggle("far", joined.has(other.dataset.key) && !near.has(other.dataset.key)));
    node.classList.add("chosen");
    const words = list("pushes up", up, "upper", "+") + list("pushes down", up, "upper", "-")
      + list("is pushed up by", down, "lower", "+") + list("is pushed down by", down, "lower", "-");
    showTip(node.dataset.note + words, place(node));
  }, () => {
    graph.classList.remove("pointing");
    nodes.forEach(node => node.classList.remove("chosen", "far"));
    hideTip();
  });
}
