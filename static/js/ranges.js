// A range shows its filled part, and a range beside a number keeps it equal. A comparison slider moves its edge.
import { attach } from "./attach.js";

/** Colour the track up to the thumb. */
export const paint = (range) => {
  const min = Number(range.min || 0), max = Number(range.max || 100);
  range.dataset.fill = `${((range.value - min) / (max - min || 1)) * 100}%`;
};

attach('input[type="range"]', (range) => {
  const number = range.parentElement.querySelector('input[type="number"]');
  paint(range);
  range.addEventListener("input", () => { paint(range); if (number) number.value = range.value; });
  number?.addEventListener("input", () => { range.value = number.value; paint(range); });
  number?.addEventListener("change", () => { number.value = range.value; });  // the range knows the bounds
});

attach(".comparison-slider", (box) => {
  box.querySelector("input").addEventListener("input", (event) => { box.dataset.at = `${event.target.value}%`; });
});
