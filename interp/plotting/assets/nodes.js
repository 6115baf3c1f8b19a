
// Show the numbers of a node of the picture in a tooltip.
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
