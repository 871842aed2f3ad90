// The dock: what it costs follows what is asked for, and the folded parts say in a line what they hold.
import "./ranges.js";
import "./tool-tabs.js";
import { attach } from "./attach.js";

// What a picked radio is called, without the small line below it.
const choice = (input) => [...input.labels[0].childNodes].map((node) => (node.nodeType === Node.TEXT_NODE ? node.data.trim() : "")).join("");
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

attach("[data-dock]", (dock) => {
  const words = dock.dataset, plural = new Intl.PluralRules(document.documentElement.lang), figures = new Intl.NumberFormat(document.documentElement.lang);
  const of = (name, n) => fill(words[`${name}${plural.select(n) === "one" ? "One" : "Other"}`], { n });
  const put = (name, text) => { const place = dock.querySelector(`[data-${name}]`); if (place) place.textContent = text; };

  function tell() {
    const data = new FormData(dock), count = Number(data.get("count") ?? 1);
    const available = dock.querySelector("[data-available]")?.dataset.available ?? "";  // swapped after each request
    const each = dock.querySelector("[data-unit-price]:checked")?.dataset.unitPrice ?? words.unitPrice;  // a choice may have its own
    const price = count * Number(each), after = Number(available) - price;
    put("label", fill(words.sayCreate, { n: count }));
    put("word", `\u00a0${of("sayOutput", count).trim()}`);
    put("price", of("sayCredit", price));
    if (available) put("after", fill(words.sayAfter, { after: figures.format(Math.max(0, after)) }));
    const short = dock.querySelector("[data-short]");
    if (short) short.hidden = !available || after >= 0;
    const styles = [...dock.querySelectorAll(".style-weight")].map((row) => `${row.dataset.name} ${row.querySelector("input[type=number]").value}`);
    const draws = dock.querySelector("[data-draws]")?.dataset.draws, drawn = !draws || Number(data.get(draws)) > 0;
    const chosen = [...dock.querySelectorAll("[name^=option_]:checked")].map(choice);
    put("summary", [drawn && (styles.join(" + ") || words.sayNoStyle), data.get("format")?.replace("x", " × "), ...chosen].filter(Boolean).join(", "));
    const entries = [...dock.querySelectorAll("[data-adds]")], more = dock.querySelector("[data-add-more]");
    for (const entry of entries) entry.hidden = Boolean(document.getElementById(entry.dataset.adds));
    if (more) more.hidden = entries.every((entry) => entry.hidden);
    put("settings", fill(words.saySettings, { steps: data.get("steps"), guidance: data.get("guidance"), seed: data.get("seed") || words.sayAnySeed }));
  }

  dock.addEventListener("input", tell);
  dock.addEventListener("change", tell);
  dock.addEventListener("htmx:load", tell);
  dock.addEventListener("click", (event) => {
    event.target.closest("[data-adds]")?.closest("[popover]")?.hidePopover();
    if (event.target.closest("[data-remove-style]")) { event.target.closest(".style-weight").remove(); tell(); }
  });
  // the newest pictures are the reason to press: show them, and give a phone its wall back
  dock.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== dock || !event.detail.successful) return;
    const open = dock.querySelector("#dock-open");
    if (open) open.checked = false;
    document.getElementById(words.wall)?.firstElementChild?.scrollIntoView({ block: "nearest" });
  });
  tell();
});

document.addEventListener("click", (event) => {  // an idea becomes the prompt
  const idea = event.target.closest("[data-prompt]"), prompt = document.getElementById("prompt");
  if (!idea || !prompt) return;
  prompt.value = idea.dataset.prompt;
  idea.closest("[popover]")?.hidePopover();
  prompt.focus();
  prompt.dispatchEvent(new Event("input", { bubbles: true }));
});
