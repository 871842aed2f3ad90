// On every page: shortcuts, dialogs, toasts, waiting, and what to say when a request fails.
import { attach } from "./attach.js";
import { settle, toast } from "./toast.js";

const TYPING = 'input:not([type="radio"], [type="checkbox"], [type="range"]), textarea, select, [contenteditable]';
const words = document.getElementById("toasts").dataset;

// --- shortcuts: an element with aria-keyshortcuts is clicked, or focused if one types into it ---------------------
const shortcutsOn = () => localStorage.getItem("shortcuts") !== "off";

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return target.closest?.("form[data-ctrl-enter]")?.requestSubmit();
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest?.(`${TYPING}, dialog[open]`) || !shortcutsOn()) return;
  if (event.key.startsWith("Arrow") && target.matches?.("input, video, [role=tab]")) return;
  if (event.key === "?") return document.getElementById("shortcuts")?.showModal();
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const wanted = document.querySelector(`[aria-keyshortcuts="${CSS.escape(key)}"]`);
  if (!wanted) return;
  event.preventDefault();
  wanted.matches(TYPING) ? wanted.focus() : wanted.click();
});

attach("[data-shortcuts-switch]", (box) => {
  box.checked = shortcutsOn();
  box.addEventListener("change", () => localStorage.setItem("shortcuts", box.checked ? "on" : "off"));
});

// --- dialogs ------------------------------------------------------------------------------------------------------
if (!("command" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[commandfor]");
    const dialog = button && document.getElementById(button.getAttribute("commandfor"));
    if (button?.getAttribute("command") === "show-modal") dialog?.showModal();
    if (button?.getAttribute("command") === "close") dialog?.close();
  });
}
document.addEventListener("click", (event) => { if (event.target.matches?.("dialog[open]")) event.target.close(); });
attach("dialog[data-open]", (dialog) => {  // a dialog that a fragment brought
  dialog.showModal();
  dialog.addEventListener("close", () => dialog.remove());
});
attach("[data-confirm-name]", (form) => {  // what cannot be undone is confirmed by its name
  const button = form.querySelector("[data-confirmed]");
  const check = () => { button.disabled = form.querySelector("[data-name]").value.trim() !== form.dataset.confirmName; };
  form.addEventListener("input", check);
  check();
});

// --- small things ---------------------------------------------------------------------------------------------------
attach(".toast", settle);
document.addEventListener("toast", ({ detail }) => toast(detail.say, detail.kind, detail.undo, detail));  // the answer's HX-Trigger

attach("[data-copy]", (button) => button.addEventListener("click", async () => {
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
  toast(words.copied);
}));

const CLOCKS = { time: { timeStyle: "short" }, date: { dateStyle: "medium" }, both: { dateStyle: "medium", timeStyle: "short" } };
attach("time[data-local]", (time) => {  // the server writes UTC; a person reads their own clock
  time.textContent = new Intl.DateTimeFormat(document.documentElement.lang, CLOCKS[time.dataset.local]).format(new Date(time.dateTime));
});

// --- waiting: a button says it works, and a thin line says so when it takes over 300 ms --------------------------------
const waiting = document.getElementById("waiting");
const inFlight = new Set();
const SHOWS_AFTER_MS = 300;

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method === "dialog" || form.target) return;
  event.submitter?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => document.querySelectorAll(".button[aria-busy=true]").forEach((button) => button.removeAttribute("aria-busy")));
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.matches("[data-refresh-url]")) return;  // the page's own catching up is nobody's wait
  event.detail.requestConfig.triggeringEvent?.submitter?.setAttribute("aria-busy", "true");
  inFlight.add(event.detail.xhr);
  setTimeout(() => { waiting.hidden = !inFlight.size; }, SHOWS_AFTER_MS);
});
document.addEventListener("htmx:afterRequest", (event) => {
  inFlight.delete(event.detail.xhr);
  waiting.hidden = waiting.hidden || !inFlight.size;
  event.detail.elt.querySelectorAll?.(".button[aria-busy=true]").forEach((button) => button.removeAttribute("aria-busy"));
});

// --- failing: the server's sentence if it sent one, else ours ----------------------------------------------------------
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr.status < 400 || detail.xhr.responseText) return;
  detail.shouldSwap = false;  // a refusal without a body has said its sentence by HX-Trigger
  detail.isError = !detail.xhr.getResponseHeader("HX-Trigger");
});
document.addEventListener("htmx:responseError", ({ detail }) => toast(sentence(detail.xhr), "danger"));
document.addEventListener("htmx:sendError", () => toast(words.offline, "danger"));

/** What a failed answer says to a person: its own sentence, or one for its status. */
export function sentence(xhr) {
  const type = xhr.getResponseHeader("Content-Type") ?? "";
  if (type.includes("json")) {
    try { return JSON.parse(xhr.responseText).detail ?? words.failed; } catch { return words.failed; }
  }
  if (type.startsWith("text/plain") && xhr.responseText.length < 300) return xhr.responseText;
  return { 403: words.forbidden, 404: words.gone, 413: words.large, 429: words.often }[xhr.status] ?? words.failed;
}
