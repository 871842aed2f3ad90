// The socket pushes fragments; this keeps the page true while it is down and catches up when it is back.
// An element with data-refresh-url can always be fetched anew: it is replaced by what that address answers.
const POLL_MS = 5000;
let polling = null, wasDown = false;

function refresh() {
  if (document.hidden) return;
  for (const part of document.querySelectorAll("[data-refresh-url]")) {
    htmx.ajax("GET", part.dataset.refreshUrl, { source: part, target: part, swap: "outerHTML" });
  }
}

function down() {
  wasDown = true;
  polling ??= setInterval(refresh, POLL_MS);
}

document.addEventListener("htmx:wsOpen", () => {
  clearInterval(polling);
  polling = null;
  if (!wasDown) return;
  wasDown = false;
  document.body.dispatchEvent(new CustomEvent("reconnect"));
  refresh();
});
document.addEventListener("htmx:wsClose", down);
document.addEventListener("htmx:wsError", down);
document.addEventListener("visibilitychange", () => { if (polling) refresh(); });

// A push goes to every tab of its owner, whatever page it shows: parts that are not on this page are none of its business.
document.addEventListener("htmx:wsBeforeMessage", (event) => {
  event.preventDefault();
  const pushed = new DOMParser().parseFromString(event.detail.message, "text/html");
  for (const part of [...pushed.body.children]) {
    const target = part.id && document.getElementById(part.id);
    if (!target) continue;
    part.removeAttribute("hx-swap-oob");
    htmx.swap(target, part.outerHTML, { swapStyle: "outerHTML" });
  }
});
