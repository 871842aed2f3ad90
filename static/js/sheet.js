// What is painted on a canvas, as a list of steps: undo takes one off and paints the others again.
export function sheet(canvas) {
  const paper = canvas.getContext("2d", { willReadFrequently: true });
  const done = [], undone = [];

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

  function pass(from, to) {
    if (from.length) to.push(from.pop());
    repaint();
  }

  /** What is painted in white on black, and which share of it is white. */
  function flat() {
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const ground = copy.getContext("2d", { willReadFrequently: true });
    ground.drawImage(canvas, 0, 0);
    for (const [how, colour] of [["source-in", "#fff"], ["destination-over", "#000"]]) {
      ground.globalCompositeOperation = how;
      ground.fillStyle = colour;
      ground.fillRect(0, 0, copy.width, copy.height);
    }
    const { data } = ground.getImageData(0, 0, copy.width, copy.height);
    let white = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at] > 127) white += 1;
    return { copy, share: white / copy.width / copy.height };
  }

  /** A picture in white on black, in the colour of what is painted. */
  function inked(image) {
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const ink = copy.getContext("2d"), [red, green, blue] = getComputedStyle(canvas).color.match(/[\d.]+/g).map(Number);
    ink.drawImage(image, 0, 0, copy.width, copy.height);
    const whole = ink.getImageData(0, 0, copy.width, copy.height);
    for (let at = 0; at < whole.data.length; at += 4) whole.data.set([red, green, blue, whole.data[at]], at);
    ink.putImageData(whole, 0, 0);
    return copy;
  }

  return {
    paint,
    repaint,
    flat,
    add(step) {
      done.push(step);
      undone.length = 0;
      repaint();
    },
    lay: (image) => ({ kind: "image", image: inked(image) }),
    undo: () => pass(done, undone),
    redo: () => pass(undone, done),
    get canUndo() { return done.length > 0; },
    get canRedo() { return undone.length > 0; },
  };
}
