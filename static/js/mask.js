// The mask: what is painted on the canvas over a picture goes into the form as a PNG. White is drawn anew, black stays.
import { attach } from "./attach.js";
import { sheet } from "./sheet.js";

const FARTHEST = 8;  // times the size that fits

attach("[data-mask]", (stage) => {
  const canvas = stage.querySelector("canvas"), paper = sheet(canvas);
  const picture = canvas.parentElement, view = stage.querySelector(".stage-view"), words = stage.dataset;
  const ring = stage.querySelector(".brush-ring"), outline = stage.querySelector(".mask-outline");
  const size = stage.querySelector("[data-brush-size]"), numbers = stage.querySelector("[data-rectangle]");
  const file = document.getElementById(words.mask), button = (name) => stage.querySelector(`[data-do="${name}"]`);
  let stroke = null, zoom = 1, latest = 0;

  const mode = () => stage.querySelector("[name=mask-tool]:checked").value;

  function add(step) {
    paper.add(step);
    lay();
  }

  /** Lay the mask into the form, and say how much is marked. */
  async function lay() {
    const turn = ++latest, { copy, share } = paper.flat();
    button("undo").disabled = !paper.canUndo;
    button("redo").disabled = !paper.canRedo;
    const blob = await new Promise((give) => copy.toBlob(give, "image/png"));
    if (turn !== latest) return;
    const carry = new DataTransfer();
    if (share) carry.items.add(new File([blob], "mask.png", { type: "image/png" }));
    file.files = carry.files;
    stage.querySelector("[data-marked]").textContent = share ? words.sayMarked.replace("{n}", Math.max(1, Math.round(share * 100))) : words.sayNone;
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
    if (stroke.kind === "stroke") paper.paint(stroke);
  });

  canvas.addEventListener("pointermove", (event) => {
    follow(event);
    if (stroke?.pointer !== event.pointerId) return;
    if (stroke.kind === "rectangle") return show(between(stroke.points[0], at(event)));
    const seen = event.getCoalescedEvents?.() ?? [];
    const points = (seen.length ? seen : [event]).map(at);
    paper.paint({ ...stroke, points: [stroke.points.at(-1), ...points] });
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
    paper.repaint();
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
    undo: () => { paper.undo(); lay(); },
    redo: () => { paper.redo(); lay(); },
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

  if (words.maskBefore) {  // an earlier mask, to go on from
    const before = new Image();
    before.addEventListener("load", () => add(paper.lay(before)));
    before.src = words.maskBefore;
  }
});
