// Selecting: the checkboxes belong to the bar's form, so the server gets them without script; this shows and counts.
import { attach } from "./attach.js";

attach("[data-selection]", (bar) => {
  const boxes = () => [...document.querySelectorAll(`.select[form="${bar.id}"]`)];
  const mode = document.querySelector("[data-select-mode]");  // without a mouse there is nothing to hover over
  let last = null;

  function tell() {
    const chosen = boxes().filter((box) => box.checked).length;
    bar.hidden = !chosen;
    bar.querySelector("[data-count]").textContent = chosen;
    document.getElementById(bar.dataset.selection)?.classList.toggle("selecting", chosen > 0 || Boolean(mode?.checked));
  }

  document.addEventListener("change", (event) => { if (event.target.matches(".select, [data-select-mode]")) tell(); });
  document.addEventListener("htmx:load", tell);
  bar.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const box of boxes()) box.checked = false;
    if (mode) mode.checked = false;
    tell();
  });
  document.addEventListener("click", (event) => {  // with Shift: everything between
    if (!event.target.matches?.(".select")) return;
    const all = boxes(), at = all.indexOf(event.target);
    if (event.shiftKey && last !== null) for (const box of all.slice(Math.min(at, last), Math.max(at, last) + 1)) box.checked = event.target.checked;
    last = at;
    tell();
  });
  document.addEventListener("keydown", (event) => {  // X selects the picture that has the focus
    if (event.key.toLowerCase() !== "x" || event.ctrlKey || event.metaKey) return;
    const box = event.target.closest?.(".image-tile")?.querySelector(".select");
    if (!box) return;
    box.checked = !box.checked;
    tell();
  });
  tell();
});
