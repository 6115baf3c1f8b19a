
// Every node of the picture says its numbers.
{
  const nodes = [...document.querySelectorAll(".node")];
  roam(nodes, node => {
    node.classList.add("chosen");
    showTip(node.dataset.note, node.getBoundingClientRect());
  }, () => {
    nodes.forEach(node => node.classList.remove("chosen"));
    hideTip();
  });
}
