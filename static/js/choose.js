// A file that is chosen or dropped is sent at once: there is nothing else to fill in.
import "./tool-tabs.js";
import { attach } from "./attach.js";

attach("[data-choose]", (form) => {
  const input = form.querySelector("input[type=file]");
  input.addEventListener("change", () => { if (input.files.length) form.requestSubmit(); });
  for (const [name, on] of [["dragenter", true], ["dragleave", false], ["drop", false]]) input.addEventListener(name, () => form.classList.toggle("over", on));
});
