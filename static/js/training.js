// The scrubber belongs to the person. A push replaces the list of stops: that adds a checkpoint, and moves the thumb only
// if it stood on the newest one. Every sample keeps its place and its seed, so what changes is the learning.
import { attach } from "./attach.js";
import { paint } from "./ranges.js";

const PLAY_MS = 650;

attach("[data-training]", (root) => {
  const $ = (selector) => root.querySelector(selector);
  const scrubber = $(".scrubber"), scrub = $("[data-scrub]"), big = $("[data-big]");
  const reached = () => [...root.querySelectorAll(".stops [data-samples]")];
  const samples = (stop) => JSON.parse(stop.dataset.samples);
  let large = Number(big.dataset.sample || 0), playing = null;

  function show() {
    const stops = reached(), at = Math.min(Number(scrub.value), stops.length - 1), stop = stops[at];
    if (!stop) return;
    const urls = samples(stop);
    big.src = urls[large];
    big.alt = `${stop.dataset.name}: ${$("[data-big-prompt]").textContent}`;
    $("[data-big-at]").textContent = stop.dataset.name;
    for (const pick of root.querySelectorAll(".pick")) pick.querySelector("img").src = urls[pick.querySelector("input").value];
    scrub.setAttribute("aria-valuetext", stop.dataset.name);
    stops.forEach((one, n) => one.classList.toggle("current", n === at));
    paint(scrub);
  }

  function keepUp() {
    const stops = reached(), newest = Number(scrub.value) === Number(scrub.max);
    const grown = stops.length - 1 > Number(scrub.max);
    scrub.max = Math.max(0, stops.length - 1);
    scrub.disabled = stops.length < 2;
    scrubber.dataset.reach = scrub.max;
    scrubber.dataset.stops = root.querySelectorAll(".stops > li").length;
    if (newest) scrub.value = scrub.max;
    if (newest && grown) develop();
    show();
    for (const stop of stops) for (const url of samples(stop)) new Image().src = url;  // so that scrubbing never waits
  }

  function develop() {
    big.classList.add("developing");
    big.addEventListener("animationend", () => big.classList.remove("developing"), { once: true });
  }

  // Choosing a small picture puts it in the large place; the large one takes its place.
  root.addEventListener("change", (event) => {
    if (!event.target.matches(".pick input")) return;
    const pick = event.target, prompt = $("[data-big-prompt]"), was = { value: large, words: prompt.textContent };
    large = Number(pick.value);
    prompt.textContent = pick.getAttribute("aria-label");
    pick.value = was.value;
    pick.setAttribute("aria-label", was.words);
    pick.checked = false;
    show();
  });

  scrub.addEventListener("input", () => { clearInterval(playing); show(); });
  $("[data-replay]")?.addEventListener("click", () => {
    clearInterval(playing);
    scrub.value = 0;
    show();
    playing = setInterval(() => {
      if (scrub.value === scrub.max) return clearInterval(playing);
      scrub.value = Number(scrub.value) + 1;
      return show();
    }, PLAY_MS);
  });

  // Addresses of samples end after some minutes: a picture that does not come asks for the list anew, once a minute.
  let asked = 0;
  root.addEventListener("error", () => {
    const list = $(".stops");
    if (!list.dataset.refreshUrl || Date.now() - asked < 60_000) return;
    asked = Date.now();
    htmx.ajax("GET", list.dataset.refreshUrl, { source: list, target: list, swap: "outerHTML" });
  }, true);

  // The socket pushes the small facts only; a list is fetched when their counts say that it has grown.
  function follow() {
    const facts = $("[data-run-status]")?.dataset;
    for (const list of root.querySelectorAll("[data-follows]")) {
      const due = facts?.[list.dataset.follows];
      if (!due || due === list.dataset.count || due === list.dataset.asked) continue;
      list.dataset.asked = due;
      htmx.ajax("GET", list.dataset.refreshUrl, { source: list, target: list, swap: "outerHTML" });
    }
  }

  new MutationObserver(keepUp).observe(scrubber, { childList: true });
  if ($(".watch-side")) new MutationObserver(follow).observe($(".watch-side"), { childList: true });
  keepUp();
});
