// One short sentence in the corner, read aloud by the live region it stands in.
const SHOWN_MS = 6000;
const LOOKS = { success: "good", info: "plain", warning: "bad", danger: "bad" };

/** Say `text`; `kind` is success, info, warning or danger; `undo` is an address that takes it back; `way` is a link. */
export function toast(text, kind = "success", undo = "", way = null) {
  const item = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  const look = LOOKS[kind] ?? "plain";
  item.classList.add(look);
  item.querySelectorAll("[data-look]").forEach((glyph) => { if (glyph.dataset.look !== look) glyph.remove(); });
  const words = item.querySelector("p");
  words.textContent = text;
  if (way?.url) {
    const link = Object.assign(document.createElement("a"), { className: "link", href: way.url, textContent: way.label });
    words.append(" ", link);
  }
  const button = item.querySelector("[data-undo]");
  if (undo) button.setAttribute("hx-post", undo);
  else button.remove();
  document.getElementById("toasts").append(item);
  if (undo) htmx.process(item);
  settle(item);
}

/** Lets a toast go by itself, unless someone reads it. What failed, and what offers a way to go, stays until it is closed. */
export function settle(item) {
  item.querySelector("[data-close]")?.addEventListener("click", () => item.remove());
  if (item.matches(".bad, :has(p a)")) return;
  const leave = () => (item.matches(":hover, :focus-within") ? setTimeout(leave, 1000) : item.remove());
  setTimeout(leave, SHOWN_MS);
}
