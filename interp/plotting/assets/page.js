"use strict";
// The tooltip of the page. Its content is set as text, so that labels are never parsed as markup.
const tip = document.querySelector(".tip");

function showTip(text, box) {
  tip.textContent = text;
  tip.hidden = false;
  const own = tip.getBoundingClientRect(), gap = 10;
  const below = box.bottom + gap + own.height < innerHeight;
  const left = box.left + box.width / 2 - own.width / 2;
  tip.style.left = Math.max(gap, Math.min(left, innerWidth - own.width - gap)) + "px";
  tip.style.top = Math.max(gap, below ? box.bottom + gap : box.top - own.height - gap) + "px";
}

function hideTip() { tip.hidden = true; }

// In a frame, send the selection of the reader and the height of the page to the parent, which may be a dashboard.
const framed = parent !== window;

function tell(what) { if (framed) parent.postMessage({ interp: what }, "*"); }

function tellHeight() { tell({ height: document.body.scrollHeight }); }

if (framed) {
  tellHeight();  // observers don't run in a frame that is out of view
  new ResizeObserver(tellHeight).observe(document.body);
  addEventListener("keydown", event => { if (event.key === "Escape") tell({ escape: true }); });
}

// Make items focusable: one tab stop for all, and arrow keys move to the nearest item in a direction.
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function roam(items, enter, leave) {
  items.forEach((item, order) => {
    item.tabIndex = order ? -1 : 0;
    item.addEventListener("pointerenter", () => enter(item));
    item.addEventListener("pointerleave", leave);
    item.addEventListener("focus", () => enter(item));
    item.addEventListener("blur", leave);
    item.addEventListener("click", () => choose(item));
    item.addEventListener("keydown", event => {
      if (event.key === "Enter") choose(item);
      if (event.key === "Escape") leave();
      const way = ARROWS[event.key], next = way && nearest(items, item, way);
      if (!next) return;
      event.preventDefault();
      item.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
}

// Send the key of an item, which is the name of a unit or a pair.
function choose(item) { if (item.dataset.key) tell({ key: item.dataset.key, note: item.dataset.note }); }

function nearest(items, from, [dx, dy]) {
  const a = from.getBoundingClientRect();
  let best = null, least = Infinity;
  for (const item of items) {
    const b = item.getBoundingClientRect();
    const x = (b.left + b.right - a.left - a.right) / 2, y = (b.top + b.bottom - a.top - a.bottom) / 2;
    const along = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (item !== from && along > 2 && along + 4 * aside < least) { best = item; least = along + 4 * aside; }
  }
  return best;
}
