(() => {
  "use strict";
  const source = document.getElementById("images-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const at = (id) => document.getElementById(id);
  const n = data.names.length;
  const nClasses = data.classes.length;
  const SCALE = 10000;
  const PAGE = 24;
  const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"];
  const label = Uint16Array.from(data.label);
  const predicted = Uint16Array.from(data.predicted);
  const top = Uint16Array.from(data.top);
  const fold = Uint16Array.from(data.fold);
  const lower = data.names.map((name) => name.toLowerCase());
  const orders = {
    data: Uint32Array.from({ length: n }, (_, row) => row),
  };
  const wrong = (row) => label[row] !== predicted[row];
  orders.doubt = orders.data.slice().sort((a, b) => top[a] - top[b] || a - b);
  orders.mistakes = orders.data.slice().sort((a, b) => wrong(b) - wrong(a) || (wrong(a) ? top[b] - top[a] : top[a] - top[b]) || a - b);
  const found = new Uint32Array(n);
  const kept = new Uint8Array(n);
  let nFound = 0;
  let page = 0;
  let shown = 0;

  function option(select, value, words) {
    const one = document.createElement("option");
    one.value = value;
    one.textContent = words;
    select.append(one);
  }

  data.classes.forEach((name, code) => {
    option(at("f-label"), code, name);
    option(at("f-predicted"), code, name);
  });
  for (const number of [...new Set(data.fold)].sort((a, b) => a - b)) option(at("f-fold"), number, number);

  const chosen = (id) => (at(id).value === "" ? -1 : Number(at(id).value));
  const bound = (id, otherwise) => (at(id).value === "" ? otherwise : Math.round(Number(at(id).value) * SCALE));

  function filter() {
    const [one, other, right, part] = [chosen("f-label"), chosen("f-predicted"), chosen("f-right"), chosen("f-fold")];
    const [from, to] = [bound("f-from", 0), bound("f-to", SCALE)];
    const text = at("f-text").value.trim().toLowerCase();
    nFound = 0;
    kept.fill(0);
    for (const row of orders[at("f-order").value]) {
      if (one >= 0 && label[row] !== one) continue;
      if (other >= 0 && predicted[row] !== other) continue;
      if (right >= 0 && (label[row] === predicted[row]) !== (right === 1)) continue;
      if (part >= 0 && fold[row] !== part) continue;
      if (top[row] < from || top[row] > to) continue;
      if (text && !lower[row].includes(text)) continue;
      kept[row] = 1;
      found[nFound++] = row;
    }
    page = 0;
    draw();
    drawMapNext();
  }

  function share(value) {
    return (value / SCALE).toFixed(3);
  }

  function wordsOf(row) {
    const told = { label: data.classes[label[row]], predicted: data.classes[predicted[row]], probability: share(top[row]) };
    return say("true: {label}, predicted: {predicted} ({probability})", told);
  }

  function tile(row, place) {
    const item = document.createElement("li");
    if (wrong(row)) item.className = "miss";
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () => enlarge(place));
    const picture = data.pictures[row];
    const head = document.createElement(picture ? "img" : "span");
    if (picture) {
      head.src = picture;
      head.alt = "";
    } else {
      head.className = "none";
    }
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = data.names[row];
    const words = document.createElement("p");
    const told = { words: wordsOf(row), fold: fold[row] };
    words.textContent = wrong(row) ? say("wrong; {words}; fold {fold}", told) : say("right; {words}; fold {fold}", told);
    button.append(head, name);
    item.append(button, words);
    return item;
  }

  function draw() {
    const nPages = Math.max(1, Math.ceil(nFound / PAGE));
    const first = page * PAGE;
    const rows = [...found.subarray(first, Math.min(nFound, first + PAGE))];
    at("images-wall").replaceChildren(...rows.map((row, place) => tile(row, first + place)));
    const counted = { found: nFound.toLocaleString("en"), all: n.toLocaleString("en") };
    at("images-found").textContent = say("{found} of {all} images", counted);
    at("images-page").textContent = say("page {page} of {pages}", { page: page + 1, pages: nPages });
    at("images-back").disabled = page === 0;
    at("images-on").disabled = page >= nPages - 1;
  }

  function turn(by) {
    page += by;
    draw();
    at("images-found").scrollIntoView({ block: "nearest" });
  }

  // Enlarged: the picture, its heatmap where the page has one, probabilities, prediction set, nearest images.
  function mapOf(row) {
    return [...document.querySelectorAll("[data-image]")].find((image) => image.dataset.image === data.names[row]);
  }

  function imageOf(address, words) {
    const image = document.createElement("img");
    image.src = address;
    image.alt = words;
    return image;
  }

  function cells(...words) {
    const row = document.createElement("tr");
    words.forEach((word, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) cell.scope = "row";
      cell.textContent = word;
      row.append(cell);
    });
    return row;
  }

  function probabilities(row) {
    const inSet = data.sets && new Set(data.sets[row]);
    const told = (code) => (inSet ? [inSet.has(code) ? say("yes") : say("no")] : []);
    if (!data.probabilities) return [cells(data.classes[predicted[row]], share(top[row]), ...told(predicted[row]))];
    return data.classes
      .map((name, code) => [data.probabilities[row * nClasses + code], code, name])
      .sort((a, b) => b[0] - a[0] || a[1] - b[1])
      .slice(0, 20)
      .map(([value, code, name]) => cells(name, share(value), ...told(code)));
  }

  function enlarge(place) {
    shown = place;
    show(found[place]);
    at("image-dialog-back").disabled = place <= 0;
    at("image-dialog-on").disabled = place >= nFound - 1;
  }

  function show(row) {
    const dialog = at("image-dialog");
    at("image-dialog-name").textContent = data.names[row];
    at("image-dialog-words").textContent = say("{words}; fold {fold}", { words: wordsOf(row), fold: fold[row] });
    const heat = mapOf(row);
    const address = heat ? heat.src : data.pictures[row];
    const picture = address ? [imageOf(address, heat ? heat.alt : say("Image {name}", { name: data.names[row] }))] : [];
    at("image-dialog-pictures").replaceChildren(...picture);
    at("image-dialog-rows").replaceChildren(...probabilities(row));
    const near = data.near[row] || [];
    const names = near.map(([name, kind]) => (name ? `${name} (${kind})` : kind)).join(", ");
    at("image-dialog-near").textContent = near.length ? say("Nearest training images: {names}", { names }) : "";
    if (!dialog.open) dialog.showModal();
  }

  for (const id of ["f-label", "f-predicted", "f-right", "f-fold", "f-order"]) at(id).addEventListener("change", filter);
  for (const id of ["f-from", "f-to", "f-text"]) at(id).addEventListener("input", filter);
  at("f-reset").addEventListener("click", () => {
    for (const id of ["f-label", "f-predicted", "f-right", "f-fold", "f-text"]) at(id).value = "";
    at("f-from").value = 0;
    at("f-to").value = 1;
    filter();
  });
  at("images-back").addEventListener("click", () => turn(-1));
  at("images-on").addEventListener("click", () => turn(1));
  at("image-dialog-back").addEventListener("click", () => enlarge(shown - 1));
  at("image-dialog-on").addEventListener("click", () => enlarge(shown + 1));
  at("image-dialog-close").addEventListener("click", () => at("image-dialog").close());
  document.addEventListener("click", (event) => {
    const image = event.target.closest("[data-image]");
    const row = image ? data.names.indexOf(image.dataset.image) : -1;
    if (row < 0) return;
    shown = found.subarray(0, nFound).indexOf(row);
    at("image-dialog-back").disabled = shown <= 0;
    at("image-dialog-on").disabled = shown < 0 || shown >= nFound - 1;
    show(row);
  });

  // The map: one dot for each image, those left out by the filter pale.
  const figure = at("images-map");
  const canvas = figure.querySelector("canvas");
  const MARGIN = 12;
  const SIZE = n > 2000 ? 2.5 : 4;
  const [across, up] = [new Float32Array(n), new Float32Array(n)];
  const { width, height } = canvas;
  if (data.map) {
    data.map.forEach(([a, b], row) => {
      across[row] = MARGIN + (a / 1000) * (width - 2 * MARGIN);
      up[row] = height - MARGIN - (b / 1000) * (height - 2 * MARGIN);
    });
  }

  function drawDot(pen, row, ring) {
    pen.beginPath();
    pen.arc(across[row], up[row], SIZE, 0, 2 * Math.PI);
    pen.fill();
    if (ring) pen.stroke();
  }

  // Squares for very many images: as many circles take a second.
  function drawSquare(pen, row, ring) {
    const [left, top, side] = [across[row] - SIZE, up[row] - SIZE, 2 * SIZE];
    pen.fillRect(left, top, side, side);
    if (ring) pen.strokeRect(left, top, side, side);
  }

  function drawMap() {
    const pen = canvas.getContext("2d");
    const drawOne = n > 10_000 ? drawSquare : drawDot;
    pen.strokeStyle = getComputedStyle(document.body).color;
    pen.clearRect(0, 0, width, height);
    for (const inside of [0, 1]) {
      pen.globalAlpha = inside ? 0.85 : 0.12;
      for (let row = 0; row < n; row++) {
        if (kept[row] !== inside) continue;
        pen.fillStyle = COLOURS[label[row] % COLOURS.length];
        drawOne(pen, row, inside && wrong(row));
      }
    }
  }

  // The list is seen first: a map of many images would hold it up.
  let awaited = false;
  function drawMapNext() {
    if (!data.map || awaited) return;
    awaited = true;
    requestAnimationFrame(() =>
      setTimeout(() => {
        awaited = false;
        drawMap();
      }),
    );
  }

  function nearest(event) {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * width;
    const y = ((event.clientY - box.top) / box.height) * height;
    let best = -1;
    let least = 15 ** 2;
    for (let row = 0; row < n; row++) {
      if (!kept[row]) continue;
      const distance = (across[row] - x) ** 2 + (up[row] - y) ** 2;
      if (distance < least) [best, least] = [row, distance];
    }
    return best;
  }

  if (data.map) {
    figure.hidden = false;
    canvas.addEventListener("pointermove", (event) => {
      const row = nearest(event);
      if (row >= 0) at("images-map-told").textContent = `${data.names[row]}: ${wordsOf(row)}`;
    });
    canvas.addEventListener("click", (event) => {
      const row = nearest(event);
      if (row >= 0) enlarge(found.subarray(0, nFound).indexOf(row));
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);
    data.classes.slice(0, 12).forEach((name, code) => {
      const item = document.createElement("li");
      const dot = document.createElement("canvas");
      [dot.width, dot.height] = [12, 12];
      dot.setAttribute("aria-hidden", "true");
      const pen = dot.getContext("2d");
      pen.fillStyle = COLOURS[code % COLOURS.length];
      pen.arc(6, 6, 5, 0, 2 * Math.PI);
      pen.fill();
      item.append(dot, ` ${name}`);
      at("images-map-key").append(item);
    });
  }

  at("image-dialog-set").hidden = !data.sets;
  at("images").hidden = false;
  at("images").closest("section").classList.add("scripted");
  filter();
})();
