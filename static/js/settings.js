// The theme changes at once; the form saves it in the account too.
import { attach } from "./attach.js";

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
