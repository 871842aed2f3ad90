// Where the tabs of the tools are wider than the screen, the one that is open is in sight.
import { attach } from "./attach.js";

attach(".tool-tabs", (tabs) => {
  const open = tabs.querySelector("[aria-current]");
  if (open) tabs.scrollLeft = open.offsetLeft - (tabs.clientWidth - open.offsetWidth) / 2;
});
