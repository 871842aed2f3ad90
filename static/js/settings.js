import { attach } from "./attach.js";

// on a phone the pages stand in a row that is wider than the screen
attach(".side-nav [aria-current]", (here) => {
  here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.clientWidth / 3;
});

// The theme changes at once; the form saves it in the account too.
attach("[data-theme-choice]", (choice) => {
  const root = document.documentElement;
  const now = choice.querySelector(`[name=theme][value="${root.dataset.theme}"]`);
  if (now) now.checked = true;
  choice.addEventListener("change", (event) => {
    if (event.target.name !== "theme") return;
    root.dataset.theme = event.target.value;
    localStorage.setItem("theme", event.target.value);
  });
});
