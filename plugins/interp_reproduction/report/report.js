
// Show the note of the element under the pointer. Notes are set as text, so that labels are never parsed as markup.
"use strict";
const tip = document.querySelector(".tip");

document.addEventListener("pointerover", event => {
  const noted = event.target.closest("[data-note]");
  tip.hidden = !noted;
  if (!noted) return;
  tip.textContent = noted.dataset.note;
  const box = noted.getBoundingClientRect(), own = tip.getBoundingClientRect(), gap = 10;
  const below = box.bottom + gap + own.height < innerHeight;
  const left = box.left + box.width / 2 - own.width / 2;
  tip.style.left = Math.max(gap, Math.min(left, innerWidth - own.width - gap)) + "px";
  tip.style.top = Math.max(gap, below ? box.bottom + gap : box.top - own.height - gap) + "px";
});
document.addEventListener("keydown", event => { if (event.key === "Escape") tip.hidden = true; });
