// The mask: what is painted on the canvas over a picture goes into the form as a PNG. White is drawn anew, black stays.
// Every stroke is remembered, not its pixels: undo paints the others again.
import { attach } from "./attach.js";

const FARTHEST = 8;  // times the size that fits

attach("[data-mask]", (stage) => {
  const canvas = stage.querySelector("canvas"), paper = canvas.getContext("2d", { willReadFrequently: true });
  const picture = canvas.parentElement, view = stage.querySelector(".stage-view"), words = stage.dataset;
  const ring = stage.querySelector(".brush-ring"), outline = stage.querySelector(".mask-outline");
  const size = stage.querySelector("[data-brush-size]"), numbers = stage.querySelector("[data-rectangle]");
  const file = document.getElementById(words.mask), button = (name) => stage.querySelector(`[data-do="${name}"]`);
  const done = [], undone = [];
  let stroke = null, zoom = 1, latest = 0;

  const mode = () => stage.querySelector("[name=mask-tool]:checked").value;

  // --- painting -----------------------------------------------------------------------------------------------------
  const painters = {
    stroke({ points, size }) {
      paper.lineWidth = size;
      paper.lineCap = paper.lineJoin = "round";
      paper.beginPath();
      paper.moveTo(...points[0]);
      for (const point of points.length > 1 ? points.slice(1) : points) paper.lineTo(...point);
      paper.stroke();
    },
    rectangle: ({ x, y, width, height }) => paper.fillRect(x, y, width, height),
    image: ({ image }) => paper.drawImage(image, 0, 0, canvas.width, canvas.height),
    clear: () => paper.clearRect(0, 0, canvas.width, canvas.height),
    invert: () => paper.fillRect(0, 0, canvas.width, canvas.height),
  };

  function paint(step) {
    paper.strokeStyle = paper.fillStyle = getComputedStyle(canvas).color;
    paper.globalCompositeOperation = step.kind === "invert" ? "source-out" : step.erase ? "destination-out" : "source-over";
    painters[step.kind](step);
  }

  function repaint() {
    paint({ kind: "clear" });
    done.forEach(paint);
  }

  function add(step) {
    done.push(step);
    undone.length = 0;
    repaint();
    lay();
  }

  function step(from, to) {
    if (!from.length) return;
    to.push(from.pop());
    repaint();
    lay();
  }

  /** Lay the mask into the form, and say how much is marked. */
  async function lay() {
    const turn = ++latest;
    button("undo").disabled = !done.length;
    button("redo").disabled = !undone.length;
    const flat = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const ground = flat.getContext("2d", { willReadFrequently: true });
    ground.drawImage(canvas, 0, 0);
    ground.globalCompositeOperation = "source-in";
    ground.fillStyle = "#fff";
    ground.fillRect(0, 0, flat.width, flat.height);
    ground.globalCompositeOperation = "destination-over";
    ground.fillStyle = "#000";
    ground.fillRect(0, 0, flat.width, flat.height);
    const { data } = ground.getImageData(0, 0, flat.width, flat.height);
    let marked = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at] > 127) marked += 1;
    const blob = await new Promise((give) => flat.toBlob(give, "image/png"));
    if (turn !== latest) return;
    const carry = new DataTransfer();
    if (marked) carry.items.add(new File([blob], "mask.png", { type: "image/png" }));
    file.files = carry.files;
    const share = (marked / flat.width / flat.height) * 100;
    stage.querySelector("[data-marked]").textContent = marked ? words.sayMarked.replace("{n}", Math.max(1, Math.round(share))) : words.sayNone;
  }

  // --- with mouse, pen or finger ------------------------------------------------------------------------------------
  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
  }

  const between = ([x1, y1], [x2, y2]) => {
    const inside = (value, most) => Math.round(Math.min(most, Math.max(0, value)));
    const [left, right] = [x1, x2].map((x) => inside(x, canvas.width)).sort((a, b) => a - b);
    const [top, bottom] = [y1, y2].map((y) => inside(y, canvas.height)).sort((a, b) => a - b);
    return { x: left, y: top, width: right - left, height: bottom - top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || stroke || mode() === "move") return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    stroke = { pointer: event.pointerId, kind: mode() === "rectangle" ? "rectangle" : "stroke", erase: mode() === "erase", size: Number(size.value), points: [at(event)] };
    if (stroke.kind === "stroke") paint(stroke);
  });

  canvas.addEventListener("pointermove", (event) => {
    follow(event);
    if (stroke?.pointer !== event.pointerId) return;
    if (stroke.kind === "rectangle") return show(between(stroke.points[0], at(event)));
    const seen = event.getCoalescedEvents?.() ?? [];
    const points = (seen.length ? seen : [event]).map(at);
    paint({ ...stroke, points: [stroke.points.at(-1), ...points] });
    stroke.points.push(...points);
  });

  canvas.addEventListener("pointerup", (event) => {
    if (stroke?.pointer !== event.pointerId) return;
    const { pointer, ...made } = stroke;
    stroke = null;
    show(null);
    if (made.kind === "stroke") return add(made);
    const rectangle = between(made.points[0], at(event));
    if (!rectangle.width || !rectangle.height) return;
    for (const [name, value] of Object.entries(rectangle)) numbers.elements[name].value = value;
    add({ kind: "rectangle", ...rectangle });
  });

  canvas.addEventListener("pointercancel", () => {  // a second finger zooms: the first one did not mean to paint
    stroke = null;
    show(null);
    repaint();
  });
  canvas.addEventListener("pointerleave", () => { ring.hidden = true; });

  /** The brush's true size under the pointer. */
  function follow(event) {
    ring.hidden = event.pointerType === "touch" || !["brush", "erase"].includes(mode());
    const box = canvas.getBoundingClientRect(), across = Number(size.value) * box.width / canvas.width;
    ring.style.inlineSize = ring.style.blockSize = `${across}px`;
    ring.style.translate = `${event.clientX - box.left - across / 2}px ${event.clientY - box.top - across / 2}px`;
  }

  /** The outline of a rectangle that is not painted yet. */
  function show(rectangle) {
    outline.hidden = !rectangle;
    if (!rectangle) return;
    const share = (value, whole) => `${(value / whole) * 100}%`;
    outline.style.left = share(rectangle.x, canvas.width);
    outline.style.top = share(rectangle.y, canvas.height);
    outline.style.width = share(rectangle.width, canvas.width);
    outline.style.height = share(rectangle.height, canvas.height);
  }

  // --- by numbers, for whoever has no pointer ------------------------------------------------------------------------
  const named = () => {
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(numbers.elements[name].value));
    return between([x, y], [x + width, y + height]);
  };
  numbers.addEventListener("input", () => show(named()));
  numbers.addEventListener("focusin", () => show(named()));
  numbers.addEventListener("focusout", () => show(null));
  numbers.addEventListener("submit", (event) => {
    event.preventDefault();
    event.submitter.removeAttribute("aria-busy");
    add({ kind: "rectangle", erase: event.submitter.value === "unmark", ...named() });
  });

  // --- the buttons ---------------------------------------------------------------------------------------------------
  function look(times) {
    zoom = Math.min(FARTHEST, Math.max(1, times));
    picture.style.setProperty("--zoom", zoom);
    button("zoom-out").disabled = zoom === 1;
    button("zoom-in").disabled = zoom === FARTHEST;
  }

  const verbs = {
    undo: () => step(done, undone),
    redo: () => step(undone, done),
    clear: () => add({ kind: "clear" }),
    invert: () => add({ kind: "invert" }),
    "zoom-in": () => look(zoom * 2),
    "zoom-out": () => look(zoom / 2),
  };
  stage.addEventListener("click", (event) => verbs[event.target.closest("[data-do]")?.dataset.do]?.());
  stage.addEventListener("change", (event) => { if (event.target.name === "mask-tool") view.classList.toggle("moving", mode() === "move"); });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.matches("input:not([type=radio], [type=range]), textarea")) return;
    event.preventDefault();
    verbs[event.shiftKey ? "redo" : "undo"]();
  });

  // --- an earlier mask, to go on from --------------------------------------------------------------------------------
  if (words.maskBefore) {
    const before = new Image();
    before.addEventListener("load", () => {
      const sheet = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
      const ink = sheet.getContext("2d"), colour = getComputedStyle(canvas).color.match(/[\d.]+/g).map(Number);
      ink.drawImage(before, 0, 0, sheet.width, sheet.height);
      const whole = ink.getImageData(0, 0, sheet.width, sheet.height);
      for (let at = 0; at < whole.data.length; at += 4) whole.data.set([...colour.slice(0, 3), whole.data[at]], at);
      ink.putImageData(whole, 0, 0);
      add({ kind: "image", image: sheet });
    });
    before.src = words.maskBefore;
  }
});
