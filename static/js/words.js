// What a number means, in words: of the sentences below a slider the one that fits its value is shown.
import { attach } from "./attach.js";

attach("[data-words]", (place) => {
  const range = document.getElementById(place.dataset.words), said = [...place.children];
  const tell = () => {
    const fits = said.find((one) => Number(range.value) <= Number(one.dataset.upTo) + 1e-6) ?? said.at(-1);
    for (const one of said) one.hidden = one !== fits;
  };
  range.parentElement.addEventListener("input", tell);  // the number beside it counts too
  tell();
});
