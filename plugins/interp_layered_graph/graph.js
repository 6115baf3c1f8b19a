
// Pointing at a node highlights its edges, and lists the nodes that it pushes and those that push it.
{
  const graph = document.querySelector(".scene"), nodes = [...graph.querySelectorAll(".node")];
  const edges = [...graph.querySelectorAll("line[data-value]")].reverse();  // the strongest first
  const byKey = new Map(nodes.map(node => [node.dataset.key, node]));
  const connected = new Set(edges.flatMap(edge => [edge.dataset.lower, edge.dataset.upper]));

  function name(key) {
    const arrow = key.includes(".forward.") ? "→" : key.includes(".backward.") ? "←" : "";
    return byKey.get(key).textContent + arrow;
  }

  function list(heading, own, end, sign) {
    const strongest = own.filter(edge => edge.dataset.value[0] === sign).slice(0, 5);
    const parts = strongest.map(edge => `${name(edge.dataset[end])} ${edge.dataset.value.replace("-", "−")}`);
    return parts.length ? `\n${heading} ${parts.join(", ")}` : "";
  }

  // The tooltip is below the edges, so that it does not hide them.
  function tipBox(node) {
    const own = node.getBoundingClientRect();
    const under = [...connected].map(key => byKey.get(key).getBoundingClientRect().bottom);
    const bottom = connected.has(node.dataset.key) ? Math.max(...under) : own.bottom;
    return { left: own.left, width: own.width, top: own.top, bottom };
  }

  roam(nodes, node => {
    const key = node.dataset.key;
    const up = edges.filter(edge => edge.dataset.lower === key), down = edges.filter(edge => edge.dataset.upper === key);
    const near = new Set([key, ...up.map(edge => edge.dataset.upper), ...down.map(edge => edge.dataset.lower)]);
    graph.classList.toggle("pointing", near.size > 1);
    edges.forEach(edge => edge.classList.toggle("lit", edge.dataset.lower === key || edge.dataset.upper === key));
    nodes.forEach(other => other.classList.toggle("far", connected.has(other.dataset.key) && !near.has(other.dataset.key)));
    node.classList.add("chosen");
    const neighbours = list("pushes up", up, "upper", "+") + list("pushes down", up, "upper", "-")
      + list("is pushed up by", down, "lower", "+") + list("is pushed down by", down, "lower", "-");
    showTip(node.dataset.note + neighbours, tipBox(node));
  }, () => {
    graph.classList.remove("pointing");
    nodes.forEach(node => node.classList.remove("chosen", "far"));
    hideTip();
  });
}
