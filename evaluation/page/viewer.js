// Slices of a case: arrays are (z, y, x), z to the head, y to the back, x to the patient's left.
const settings = JSON.parse(document.getElementById("settings").textContent);
const viewer = document.getElementById("viewer");
const numbers = [...document.querySelectorAll("script.slices")].map(s => +s.id.slice("slices-".length));
const PLANES = [
  {name: "axial", axis: 0, rows: 1, columns: 2, up: false, letters: "RLAP", ends: "SI"},
  {name: "coronal", axis: 1, rows: 0, columns: 2, up: true, letters: "RLSI", ends: "PA"},
  {name: "sagittal", axis: 2, rows: 0, columns: 1, up: true, letters: "APSI", ends: "LR"},
];
const state = {plane: "all", ct: "", window: 0, reference: true, prediction: true, distance: true, axis: 0};
let shown = null;

const make = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};

const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

async function unpacked(text) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// A CT's levels out of the image that has its slices side by side.
async function volume(url, [nz, ny, nx]) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = make("canvas", {width: image.width, height: image.height});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  const levels = new Uint8Array(nz * ny * nx), columns = image.width / nx;
  for (let z = 0, to = 0; z < nz; z++) {
    const top = Math.floor(z / columns) * ny, left = (z % columns) * nx;
    for (let y = 0; y < ny; y++) {
      let from = 4 * ((top + y) * image.width + left);
      for (let x = 0; x < nx; x++, from += 4) levels[to++] = pixels[from];
    }
  }
  return levels;
}

async function open(number) {
  const data = JSON.parse(document.getElementById(`slices-${number}`).textContent);
  const names = Object.keys(data.cts), coarse = data.shape.map((n, axis) => Math.ceil(n / data.ratio[axis]));
  const [masks, errors, ...cts] = await Promise.all([
    unpacked(data.masks),
    data.errors ? unpacked(data.errors) : null,
    ...names.map(name => volume(data.cts[name], coarse)),
  ]);
  const at = data.targets.length ? data.targets[0].at : data.shape.map(n => n >> 1);
  shown = {number, data, coarse, masks, errors, names, cts: Object.fromEntries(names.map((name, i) => [name, cts[i]])), at: [...at], target: data.targets.length ? 0 : -1};
  if (![...names, "both"].includes(state.ct) || (state.ct === "both" && names.length < 2)) state.ct = names[0] ?? "";
  if (innerWidth < 600 && state.plane === "all") state.plane = "axial";
  layOut();
  if (!viewer.open) {
    viewer.showModal();
    viewer.querySelector("canvas").focus();
  }
  draw();
}

const choice = (words, pressed, act, key) => {
  const button = make("button", {type: "button", textContent: words, onclick: () => { act(); layOut(); draw(); }});
  button.setAttribute("aria-pressed", pressed);
  if (key) button.title = `key ${key}`;
  return button;
};

function jump(index) {
  const {targets} = shown.data;
  if (!targets.length) return;
  shown.target = (index + targets.length) % targets.length;
  shown.at = [...targets[shown.target].at];
}

function neighbour(step) {
  const next = numbers[(numbers.indexOf(shown.number) + step + numbers.length) % numbers.length];
  open(next);
}

// All buttons and canvases anew, as the state has them.
function layOut() {
  const {data, names} = shown;
  const cases = make("select", {className: "name", onchange: () => open(+cases.value)});
  cases.setAttribute("aria-label", "case");
  for (const n of numbers) cases.append(make("option", {value: n, textContent: document.getElementById(`slices-${n}`).dataset.name, selected: n === shown.number}));
  const windows = make("select", {onchange: () => { state.window = +windows.value; draw(); }});
  windows.setAttribute("aria-label", "window");
  settings.windows.forEach(([name], i) => windows.append(make("option", {value: i, textContent: name, selected: i === state.window})));
  const tools = make("div", {className: "bar-of-tools"},
    make("button", {type: "button", textContent: "‹", title: "case before, key [", onclick: () => neighbour(-1)}), cases,
    make("button", {type: "button", textContent: "›", title: "next case, key ]", onclick: () => neighbour(1)}),
    ...PLANES.map((p, i) => choice(p.name, state.plane === p.name, () => { state.plane = p.name; state.axis = p.axis; }, i + 1)),
    choice("all three", state.plane === "all", () => { state.plane = "all"; }, 4));
  if (names.length > 1) for (const name of [...names, "both"]) tools.append(choice(name, state.ct === name, () => { state.ct = name; }, "c"));
  if (names.length) tools.append(windows);
  if (shown.errors) tools.append(choice("reference", state.reference, () => { state.reference = !state.reference; }));
  tools.append(choice(shown.errors ? "prediction" : "outlines", state.prediction, () => { state.prediction = !state.prediction; }, "o"));
  if (shown.errors) tools.append(choice("distance colours", state.distance, () => { state.distance = !state.distance; }, "d"));
  tools.append(make("span", {className: "space"}), make("button", {type: "button", textContent: "✕ close", onclick: () => viewer.close()}));
  const targets = make("div", {className: "bar-of-tools targets"});
  data.targets.forEach((t, i) => targets.append(choice(t.words, i === shown.target, () => jump(i), "n")));
  const planes = PLANES.filter(p => state.plane === "all" || p.name === state.plane);
  const cts = state.ct === "both" ? names : [state.ct];
  const views = make("div", {className: "views"});
  shown.views = [];
  for (const ct of cts) for (const plane of planes) views.append(view(plane, ct));
  const lines = planes.length > 1 ? cts.map(() => planes) : [cts.map(() => planes[0])];
  shown.scale = scaleFor(innerWidth < 600 ? lines.flat().map(plane => [plane]) : lines);
  const legend = make("ul", {className: "legend"});
  if (shown.errors && state.distance) for (const [colour, words] of settings.legend) {
    const swatch = make("span");
    swatch.style.background = colour;
    legend.append(make("li", {}, swatch, words));
  }
  else for (const o of settings.outlines) if (shown.errors || o.side === "prediction") {
    const swatch = make("span");
    swatch.style.background = o.colour;
    legend.append(make("li", {}, swatch, `${o.structure} ${o.side}`));
  }
  const [mmZ, mmY, mmX] = data.spacing.map((mm, axis) => (mm * (names.length ? data.ratio[axis] : 1)).toFixed(2));
  const help = make("p", {className: "hint", textContent: `${names.length ? "CTs" : "Masks"} at ${mmX} × ${mmY} × ${mmZ} mm. Arrows, wheel or a sideways drag: slices; a click: there; 1 to 4: planes; c: CT; w: window; o: outlines; d: distances; n, p: next and last place; [ ]: cases; Escape: close.`});
  const focused = document.activeElement?.dataset?.plane;
  viewer.replaceChildren(tools, targets, views, legend, help);
  if (focused) viewer.querySelector(`canvas[data-plane="${focused}"]`)?.focus();
}

// Pixels per mm, one for all views, so that these lines of planes fit; on a phone one below the other.
function scaleFor(lines) {
  const mm = axis => shown.data.shape[axis] * shown.data.spacing[axis];
  const wide = Math.max(...lines.map(line => line.reduce((sum, plane) => sum + mm(plane.columns), 0)));
  const high = Math.max(...lines.flat().map(plane => mm(plane.rows)));
  const across = Math.max(...lines.map(line => line.length)), down = innerWidth < 600 ? 1 : lines.length;
  const room = Math.max(220, (innerHeight - 190) / down - 60);
  return Math.min((innerWidth - 40 - 12 * across) / wide, room / high);
}

function view(plane, ct) {
  const canvas = make("canvas", {tabIndex: 0});
  canvas.dataset.plane = plane.name;
  canvas.setAttribute("aria-label", `${plane.name} slice${ct ? `, ${ct}` : ""}`);
  const slider = make("input", {type: "range", min: 0, max: shown.data.shape[plane.axis] - 1, step: 1});
  slider.setAttribute("aria-label", `${plane.name} slice`);
  slider.oninput = () => { state.axis = plane.axis; move(plane.axis, +slider.value - shown.at[plane.axis]); };
  const caption = make("span", {className: "hint"});
  const one = {plane, ct, canvas, slider, caption};
  shown.views.push(one);
  listen(one);
  return make("div", {className: "view"}, canvas, slider, caption);
}

function move(axis, step) {
  shown.at[axis] = Math.max(0, Math.min(shown.data.shape[axis] - 1, shown.at[axis] + step));
  draw();
}

// A wheel or a sideways drag goes through the slices, a click goes there.
function listen({plane, canvas}) {
  let from = null;
  canvas.addEventListener("wheel", event => { event.preventDefault(); move(plane.axis, Math.sign(event.deltaY)); }, {passive: false});
  canvas.addEventListener("focus", () => { state.axis = plane.axis; });
  canvas.addEventListener("pointerdown", event => {
    from = {x: event.clientX, y: event.clientY, at: shown.at[plane.axis], dragged: false};
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", event => {
    if (!from || !event.buttons) return;
    const way = event.clientX - from.x;
    if (Math.abs(way) > 6) from.dragged = true;
    if (from.dragged) move(plane.axis, from.at + Math.round(way / 6) - shown.at[plane.axis]);
  });
  canvas.addEventListener("pointercancel", () => { from = null; });
  canvas.addEventListener("pointerup", event => {
    if (from && !from.dragged) {
      const box = canvas.getBoundingClientRect(), {shape} = shown.data;
      const across = (event.clientX - box.left) / box.width, down = (event.clientY - box.top) / box.height;
      const along = (axis, share) => Math.max(0, Math.min(shape[axis] - 1, Math.floor(share * shape[axis])));
      shown.at[plane.columns] = along(plane.columns, across);
      shown.at[plane.rows] = along(plane.rows, plane.up ? 1 - down : down);
      draw();
    }
    from = null;
  });
}

viewer.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  const cycle = (list, now) => list[(list.indexOf(now) + 1) % list.length];
  const steps = {ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5};
  if (event.key in steps) {
    if (event.target.matches("input")) return;
    move(state.axis, steps[event.key]);
  } else if ("123".includes(event.key)) {
    state.plane = PLANES[+event.key - 1].name;
    state.axis = +event.key - 1;
  } else if (event.key === "4") state.plane = "all";
  else if (event.key === "c") state.ct = cycle(shown.names.length > 1 ? [...shown.names, "both"] : shown.names, state.ct) ?? "";
  else if (event.key === "w") state.window = (state.window + 1) % settings.windows.length;
  else if (event.key === "o") state.reference = state.prediction = !state.prediction;
  else if (event.key === "d") state.distance = !state.distance;
  else if (event.key === "n") jump(shown.target + 1);
  else if (event.key === "p") jump(shown.target - 1);
  else if (event.key === "[") return neighbour(-1);
  else if (event.key === "]") return neighbour(1);
  else return;
  event.preventDefault();
  if (!(event.key in steps)) { layOut(); draw(); }
});

// Gray values of the CT's 256 levels in a window of HU.
function greys() {
  const {hu, levels} = settings, [, middle, width] = settings.windows[state.window];
  return Uint8ClampedArray.from({length: 256}, (_, level) => {
    let i = 1;
    while (i < levels.length - 1 && level > levels[i]) i++;
    const value = hu[i - 1] + (level - levels[i - 1]) / (levels[i] - levels[i - 1]) * (hu[i] - hu[i - 1]);
    return 255 * (value - middle + width / 2) / width;
  });
}

// Where a pixel of the slice lies in an array of this shape, so many of the masks' voxels to one; rows from the top.
function places(plane, shape, ratio) {
  const steps = [shape[1] * shape[2], shape[2], 1];
  const height = shape[plane.rows], width = shape[plane.columns];
  const start = Math.floor(shown.at[plane.axis] / ratio[plane.axis]) * steps[plane.axis];
  const row = r => start + (plane.up ? height - 1 - r : r) * steps[plane.rows];
  return {height, width, at: (r, c) => row(r) + c * steps[plane.columns]};
}

function draw() {
  const grey = greys();
  for (const one of shown.views) drawView(one, grey);
}

function drawView({plane, ct, canvas, slider, caption}, grey) {
  const {data} = shown, {height, width, at} = places(plane, data.shape, [1, 1, 1]);
  const wide = width * data.spacing[plane.columns], high = height * data.spacing[plane.rows];
  const {scale} = shown, ratio = window.devicePixelRatio || 1;
  canvas.style.width = `${wide * scale}px`;
  canvas.style.height = `${high * scale}px`;
  canvas.width = Math.round(wide * scale * ratio);
  canvas.height = Math.round(high * scale * ratio);
  const context = canvas.getContext("2d");
  const levels = shown.cts[ct];
  if (levels) {
    const ct = places(plane, shown.coarse, data.ratio), image = new ImageData(ct.width, ct.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let r = 0, i = 0; r < ct.height; r++) for (let c = 0; c < ct.width; c++) pixels[i++] = 0xff000000 | grey[levels[ct.at(r, c)]] * 0x010101;
    const small = make("canvas", {width: ct.width, height: ct.height});
    small.getContext("2d").putImageData(image, 0, 0);
    // The last blocks may reach beyond the masks: at the right, and at the end that the rows count to.
    const wider = ct.width * data.ratio[plane.columns] / width * canvas.width, higher = ct.height * data.ratio[plane.rows] / height * canvas.height;
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, plane.up ? canvas.height - higher : 0, wider, higher);
  } else context.clearRect(0, 0, canvas.width, canvas.height);
  const pixel = {x: canvas.width / width, y: canvas.height / height};
  for (const outline of settings.outlines) if (state[outline.side]) drawOutline(context, outline, {height, width, at}, pixel, ratio);
  annotate(context, plane, canvas, scale * ratio, ratio, pixel);
  slider.value = shown.at[plane.axis];
  caption.textContent = `${plane.name}${ct ? `, ${ct}` : ""}: slice ${shown.at[plane.axis] + 1} of ${data.shape[plane.axis]}`;
}

// Lines between the middles of the sides of each square of four voxels' centres that are not all on one side.
const LINES = [[], ["lb"], ["br"], ["lr"], ["tr"], ["tr", "lb"], ["tb"], ["lt"], ["lt"], ["tb"], ["lt", "br"], ["tr"], ["lr"], ["br"], ["lb"], []];

function drawOutline(context, {side, bit, colour}, {height, width, at}, pixel, ratio) {
  const {masks, errors} = shown, coloured = errors && state.distance;
  const offset = side === "reference" ? masks.length : 0;
  const inside = (r, c) => r >= 0 && c >= 0 && r < height && c < width && (masks[at(r, c)] & bit) !== 0;
  const paths = new Map();
  for (let r = -1; r < height; r++) for (let c = -1; c < width; c++) {
    const corners = [[r, c], [r, c + 1], [r + 1, c + 1], [r + 1, c]].map(([y, x]) => inside(y, x));
    const lines = LINES[8 * corners[0] + 4 * corners[1] + 2 * corners[2] + corners[3]];
    if (!lines.length) continue;
    let drawn = coloured && side === "reference" ? settings.referenceColour : colour;
    if (coloured && side === "prediction") {
      let bin = 0;
      [[r, c], [r, c + 1], [r + 1, c + 1], [r + 1, c]].forEach(([y, x], i) => { if (corners[i]) bin = Math.max(bin, errors[offset + at(y, x)]); });
      if (bin) drawn = settings.legend[bin - 1][0];
    }
    const point = {t: [c + 1, r + 0.5], b: [c + 1, r + 1.5], l: [c + 0.5, r + 1], r: [c + 1.5, r + 1]};
    if (!paths.has(drawn)) paths.set(drawn, new Path2D());
    for (const line of lines) {
      const [one, other] = [point[line[0]], point[line[1]]];
      paths.get(drawn).moveTo(one[0] * pixel.x, one[1] * pixel.y);
      paths.get(drawn).lineTo(other[0] * pixel.x, other[1] * pixel.y);
    }
  }
  context.lineCap = "round";
  context.lineWidth = (side === "reference" && coloured ? 1.2 : 1.8) * ratio;
  context.setLineDash(side === "prediction" && errors && !coloured ? [5 * ratio, 4 * ratio] : []);
  for (const [drawn, path] of paths) { context.strokeStyle = drawn; context.stroke(path); }
  context.setLineDash([]);
}

function annotate(context, plane, canvas, scale, ratio, pixel) {
  const {data, at} = shown, {width, height} = canvas;
  const x = (at[plane.columns] + 0.5) * pixel.x, row = plane.up ? data.shape[plane.rows] - 1 - at[plane.rows] : at[plane.rows], y = (row + 0.5) * pixel.y;
  context.strokeStyle = "rgb(255 255 255 / 35%)";
  context.lineWidth = ratio;
  context.beginPath();
  const gap = 12 * ratio;
  for (const [a, b, c, d] of [[0, y, x - gap, y], [x + gap, y, width, y], [x, 0, x, y - gap], [x, y + gap, x, height]]) { context.moveTo(a, b); context.lineTo(c, d); }
  context.stroke();
  context.fillStyle = "#f5f5f5";
  context.strokeStyle = "rgb(0 0 0 / 75%)";
  context.lineWidth = 3 * ratio;
  context.lineJoin = "round";
  context.font = `${13 * ratio}px system-ui, sans-serif`;
  const text = (words, px, py, align, base) => { context.textAlign = align; context.textBaseline = base; context.strokeText(words, px, py); context.fillText(words, px, py); };
  const edge = 5 * ratio;
  text(plane.letters[0], edge, height / 2 - 14 * ratio, "left", "middle");
  text(plane.letters[1], width - edge, height / 2 - 14 * ratio, "right", "middle");
  text(plane.letters[2], width / 2 + 14 * ratio, edge, "center", "top");
  text(plane.letters[3], width / 2 + 14 * ratio, height - edge, "center", "bottom");
  const mm = data.place[2 - plane.axis] + at.reduce((sum, i, axis) => sum + i * data.steps[axis][2 - plane.axis], 0);
  text(`${plane.ends[mm >= 0 ? 0 : 1]} ${Math.abs(mm).toFixed(1)} mm`, edge, height - edge, "left", "bottom");
  const bar = settings.bars.filter(b => b * scale <= width / 3).pop() ?? settings.bars[0];
  text(`${bar} mm`, width - edge, height - edge - 5 * ratio, "right", "bottom");
  context.fillRect(width - edge - bar * scale, height - edge - 2 * ratio, bar * scale, 2 * ratio);
}

for (const button of document.querySelectorAll("button.open")) button.addEventListener("click", () => open(+button.dataset.case));
addEventListener("resize", () => { if (viewer.open) { layOut(); draw(); } });
