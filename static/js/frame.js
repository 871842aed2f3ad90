// The frame of a picture that is continued: its edges are dragged, its fields typed into, its shape chosen; all are one.
import { attach } from "./attach.js";

const OPPOSITE = { left: "right", right: "left", top: "bottom", bottom: "top" };
const OUTWARDS = { left: "ArrowLeft", right: "ArrowRight", top: "ArrowUp", bottom: "ArrowDown" };
const EVEN = 8;  // pixels: halves of what is added are rounded to it
const FILLS = 0.7;  // of the view: there is room to drag into

attach("[data-frame]", (stage) => {
  const fields = document.getElementById(stage.dataset.frame), view = stage.querySelector(".frame-view"), box = stage.querySelector(".frame-box");
  const picture = box.querySelector("img"), said = stage.querySelector("[data-size]");
  const { pictureWidth, pictureHeight, most, stride } = Object.fromEntries(Object.entries(stage.dataset).map(([name, value]) => [name, Number(value)]));
  const field = (side) => fields.querySelector(`[name="option_${side}"]`), edge = (side) => box.querySelector(`[data-edge="${side}"]`);
  const added = (side) => Number(field(side).value) || 0;
  const along = (side) => (side === "left" || side === "right" ? pictureWidth : pictureHeight);
  let drag = null;

  /** Set a side to the nearest that the base can draw: the whole is a multiple of its stride and not too long. */
  function set(side, wanted) {
    const rest = along(side) + added(OPPOSITE[side]);
    const whole = Math.round((rest + Math.max(0, wanted)) / stride) * stride;
    field(side).value = Math.min(Math.floor(most / stride) * stride, Math.max(Math.ceil(rest / stride) * stride, whole)) - rest;
    draw();
  }

  function draw() {
    const width = pictureWidth + added("left") + added("right"), height = pictureHeight + added("top") + added("bottom");
    const scale = drag?.scale ?? Math.min((view.clientWidth * FILLS) / width, (view.clientHeight * FILLS) / height);
    // while an edge is dragged the picture lies still; else the frame stands in the middle
    const x = drag?.x ?? (view.clientWidth - width * scale) / 2 + added("left") * scale;
    const y = drag?.y ?? (view.clientHeight - height * scale) / 2 + added("top") * scale;
    const put = (element, values) => { for (const [name, value] of Object.entries(values)) element.style[name] = `${value}px`; };
    put(box, { left: x - added("left") * scale, top: y - added("top") * scale, width: width * scale, height: height * scale });
    put(picture, { left: added("left") * scale, top: added("top") * scale, width: pictureWidth * scale, height: pictureHeight * scale });
    for (const side of Object.keys(OPPOSITE)) edge(side).setAttribute("aria-valuenow", added(side));
    said.textContent = stage.dataset.saySize.replace("{w}", width).replace("{h}", height);
    return { scale, x, y };
  }

  for (const side of Object.keys(OPPOSITE)) {
    const sign = side === "left" || side === "top" ? -1 : 1, axis = side === "left" || side === "right" ? "clientX" : "clientY";
    let had = added(side);
    field(side).addEventListener("focus", () => { had = added(side); });
    field(side).addEventListener("change", () => {  // a step of the field is less than the base's: it goes as far as that
      const wanted = added(side), by = wanted - had;
      set(side, Math.abs(by) === EVEN ? had + Math.sign(by) * stride : wanted);
      had = added(side);
    });
    edge(side).addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      edge(side).focus();
      edge(side).setPointerCapture(event.pointerId);
      drag = { ...draw(), from: event[axis], had: added(side) };
    });
    edge(side).addEventListener("pointermove", (event) => { if (drag) set(side, drag.had + (sign * (event[axis] - drag.from)) / drag.scale); });
    for (const end of ["pointerup", "pointercancel"]) edge(side).addEventListener(end, () => { drag = null; draw(); });
    edge(side).addEventListener("keydown", (event) => {
      const further = event.key === OUTWARDS[side], nearer = event.key === OUTWARDS[OPPOSITE[side]];
      if (!further && !nearer) return;
      event.preventDefault();
      event.stopPropagation();
      set(side, added(side) + (further ? stride : -stride));
    });
  }

  /** Half of what is missing on either side. */
  function share(first, second, missing) {
    const half = Math.floor(missing / 2 / EVEN) * EVEN;
    field(first).value = half;
    field(second).value = missing - half;
  }

  function grow(width, height) {
    const up = (wanted, own) => Math.max(own, Math.min(Math.floor(most / stride) * stride, Math.round(wanted / stride) * stride));
    share("left", "right", up(width, pictureWidth) - pictureWidth);
    share("top", "bottom", up(height, pictureHeight) - pictureHeight);
    draw();
  }

  fields.addEventListener("click", (event) => {
    const format = event.target.closest("[data-format]")?.dataset.format;
    if (format === "none") grow(pictureWidth, pictureHeight);
    else if (format === "around") grow(pictureWidth + 2 * stride, pictureHeight + 2 * stride);
    else if (format) {
      const [across, down] = format.split(":").map(Number);
      grow(Math.max(pictureWidth, (pictureHeight * across) / down), Math.max(pictureHeight, (pictureWidth * down) / across));
    }
  });
  new ResizeObserver(draw).observe(view);
  draw();
});
