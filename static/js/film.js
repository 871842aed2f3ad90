// Films. On a wall: plays, muted, while the pointer or the keyboard rests on it, unless less motion is asked for. On its
// page: the switch that repeats it.
import { attach } from "./attach.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

attach("[data-film]", (tile) => {
  let film = null;

  function play() {
    if (film || calm.matches) return;
    film = document.createElement("video");
    Object.assign(film, { muted: true, loop: true, playsInline: true, tabIndex: -1, src: tile.dataset.film });
    film.setAttribute("aria-hidden", "true");
    film.addEventListener("playing", ({ target }) => target.classList.add("playing"));  // the poster stays until then
    tile.querySelector("img").after(film);
    film.play().catch(stop);
  }

  function stop() {
    if (!film) return;
    film.pause();
    film.removeAttribute("src");
    film.load();  // what is still on its way need not come
    film.remove();
    film = null;
  }

  tile.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") play(); });
  tile.addEventListener("pointerleave", stop);
  tile.addEventListener("focusin", (event) => { if (event.target.matches(":focus-visible")) play(); });
  tile.addEventListener("focusout", stop);
});

attach("[data-repeats]", (box) => {
  const film = document.getElementById(box.dataset.repeats);
  box.closest("[hidden]").hidden = false;  // without script there is nothing to switch
  box.addEventListener("change", () => { film.loop = box.checked; });
});
