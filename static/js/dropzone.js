// Works appear in their frames from the device before a byte is sent; then three at a time travel, each with its own bar.
// What the zone may say, and its limits, are written on it by the server: see templates/ui/dropzone.html.
import { attach } from "./attach.js";
import { sentence } from "./shell.js";
import { toast } from "./toast.js";

const PARALLEL = 3;
const PICTURE = /^image\/(jpeg|png|webp|avif|heic|heif|tiff|gif|bmp)$|\.(jpe?g|png|webp|avif|hei[cf]|tiff?|gif|bmp)$/i;
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

attach("[data-dropzone]", (zone) => {
  const { dataset } = zone, form = zone.closest("form"), input = zone.querySelector("input[type=file]");
  const sheet = document.getElementById(dataset.sheet), frameTemplate = zone.querySelector("template");
  const refusals = document.getElementById(dataset.refusals);
  const count = document.getElementById(dataset.count), go = document.getElementById(dataset.go);
  const needed = Number(dataset.needed), limit = Number(dataset.limit), small = sheet.matches(".small");
  const waiting = [];  // {file, frame}: shown, not yet sent
  let travelling = 0, uploadUrl = dataset.uploadUrl, nextUrl = "", whenEmpty = () => {};

  const frames = (kind) => sheet.querySelectorAll(`.frame${kind}`).length;
  const here = () => frames(":not(.blank, .spare, .waiting, .uploading, .refused)");

  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => { event.preventDefault(); add([...event.dataTransfer.files]); });
  input.addEventListener("change", () => { add([...input.files]); input.value = ""; });  // a copy: the list is live
  document.addEventListener("htmx:load", tally);
  addEventListener("beforeunload", (event) => { if (travelling) event.preventDefault(); });
  tally();

  async function add(files) {
    for (const file of files) {
      if (frames(":not(.blank, .spare, .refused)") >= limit) { toast(fill(dataset.sayFull, { limit }), "danger"); break; }
      await place(file);
    }
  }

  async function place(file) {
    const picture = new Image();
    picture.src = URL.createObjectURL(file);
    picture.alt = file.name;
    const shown = await picture.decode().then(() => true, () => false);  // a HEIC is not drawn here; the server reads it
    const wrong = whatIsWrong(file, shown ? Math.min(picture.naturalWidth, picture.naturalHeight) : Infinity);
    if (wrong && small) return refuse(file.name, wrong);
    const frame = nextFrame();
    if (shown) frame.querySelector(".picture > .icon").replaceWith(picture);
    frame.querySelector("[data-name]").textContent = file.name;
    if (wrong) return refuseFrame(frame, wrong);
    waiting.push({ file, frame });
    tally();
    send();
  }

  function whatIsWrong(file, shorterSide) {
    if (!PICTURE.test(file.type || file.name)) return dataset.sayType;
    if (file.size > Number(dataset.maxBytes)) return dataset.saySize;
    return shorterSide < Number(dataset.minSide) ? fill(dataset.saySmall, { side: shorterSide }) : "";
  }

  function nextFrame() {
    const frame = frameTemplate.content.querySelector(".frame").cloneNode(true);
    const free = sheet.querySelector(".blank, .spare");
    free ? free.replaceWith(frame) : sheet.append(frame);
    if (free) frame.freed = free;
    return frame;
  }

  function send() {
    while (uploadUrl && travelling < PARALLEL && waiting.length) upload(waiting.shift());
    if (uploadUrl && !travelling && !waiting.length) whenEmpty();
  }

  function upload(work) {
    const { file, frame } = work, bar = frame.querySelector("progress"), badge = frame.querySelector("[data-badge]");
    const body = new FormData(), xhr = new XMLHttpRequest();
    body.append("files", file);
    travelling += 1;
    bar.hidden = false;
    frame.className = "frame uploading";
    xhr.open("POST", uploadUrl);
    xhr.setRequestHeader("X-CSRFToken", form.querySelector("[name=csrfmiddlewaretoken]").value);
    xhr.setRequestHeader("HX-Request", "true");
    xhr.upload.addEventListener("progress", (event) => {
      bar.value = event.loaded / event.total;
      badge.textContent = fill(dataset.sayPart, { percent: Math.floor(bar.value * 100), size: (file.size / 1e6).toFixed(1) });
    });
    xhr.addEventListener("load", () => (xhr.status < 300 ? arrived(frame, xhr.responseText) : refuseFrame(frame, sentence(xhr))));
    xhr.addEventListener("error", () => offerAgain(work));
    xhr.addEventListener("loadend", () => { travelling -= 1; tally(); send(); });
    xhr.send(body);
  }

  function arrived(frame, html) {
    const before = frame.previousElementSibling, { freed } = frame;
    htmx.swap(frame, html, { swapStyle: "outerHTML" });
    const now = before ? before.nextElementSibling : sheet.firstElementChild;
    if (small && now?.matches(".refused")) {
      refuse(now.querySelector("img")?.alt ?? "", now.querySelector(".caption").textContent);
      freed ? now.replaceWith(freed) : now.remove();
    }
  }

  function refuseFrame(frame, why) {
    if (small) {
      refuse(frame.querySelector("[data-name]").textContent, why);
      return frame.freed ? frame.replaceWith(frame.freed) : frame.remove();
    }
    frame.className = "frame refused";
    frame.querySelector("progress").remove();
    frame.querySelector("[data-badge]").replaceWith(frameTemplate.content.querySelector("[data-refused]").cloneNode(true));
    frame.querySelector("[data-name]").textContent = `${frame.querySelector("[data-name]").textContent}: ${why}`;
    frame.querySelector("[data-dismiss]").hidden = false;
    frame.querySelector("[data-dismiss]").addEventListener("click", () => frame.remove());
    return tally();
  }

  function refuse(name, why) {
    const line = document.createElement("li");
    line.textContent = name ? `${name}: ${why}` : why;
    refusals.append(line);
    refusals.hidden = false;
  }

  function offerAgain(work) {
    work.frame.className = "frame waiting";
    const again = frameTemplate.content.querySelector("[data-again]").cloneNode(true), badge = work.frame.querySelector("[data-badge]");
    badge.replaceWith(again);
    again.addEventListener("click", () => { again.replaceWith(badge); waiting.push(work); send(); });
    toast(dataset.sayBroken, "danger");
  }

  function tally() {
    const n = here(), coming = frames(":is(.waiting, .uploading)");
    if (count) count.textContent = !n && !coming ? dataset.sayStart
      : coming && uploadUrl ? fill(dataset.sayComing, { n, m: coming })
      : n + coming < needed ? fill(dataset.sayNeeded, { n: n + coming, m: needed - n - coming })
      : fill(dataset.sayReady, { n: n + coming });
    if (go) go.disabled = n + coming < needed || travelling > 0;
  }

  // A new style: the form without its files makes it and answers where the files go; then they travel, then the page turns.
  form.addEventListener("submit", async (event) => {
    if (nextUrl) { event.preventDefault(); return location.assign(nextUrl); }
    if (uploadUrl || !waiting.length) return;
    event.preventDefault();
    go?.setAttribute("aria-busy", "true");
    const body = new FormData(form);
    body.delete(input.name);
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } }).catch(() => null);
    const told = await answer?.json().catch(() => null);
    go?.removeAttribute("aria-busy");
    if (!answer?.ok || !told) return toast(told?.detail ?? dataset.sayBroken, "danger", "", told?.way);
    uploadUrl = told.upload_url;
    whenEmpty = () => {
      nextUrl = told.next_url;
      if (!refusals || refusals.hidden) location.assign(nextUrl);
      else if (go) { go.textContent = dataset.sayGoOn; go.disabled = false; }
    };
    return send();
  });
});
