(() => {
  "use strict";
  const [source, asked] = ["images-data", "threshold-data"].map((id) => document.getElementById(id));
  if (!source || !asked) return;
  const data = JSON.parse(source.textContent);
  const point = JSON.parse(asked.textContent);
  const at = (id) => document.getElementById(id);
  const n = data.names.length;
  const nClasses = data.classes.length;
  const weight = data.weights || new Float64Array(n).fill(1);
  const SVG = "http://www.w3.org/2000/svg";
  const [LOW, HIGH] = [34, 308];
  let curve = [];

  const ratio = (part, whole) => (whole > 0 ? part / whole : Number.NaN);
  const share = (value) => (Number.isNaN(value) ? say("n/a") : value.toFixed(3));
  const code = () => Number(at("t-class").value);
  const probability = (row) => data.probabilities[row * nClasses + code()] / 10000;

  // Counts at every threshold, the highest first: one pass over the images in the order of their probability.
  function tally() {
    const rows = Uint32Array.from({ length: n }, (_, row) => row).sort((a, b) => probability(b) - probability(a));
    let [positives, negatives] = [0, 0];
    for (let row = 0; row < n; row++) {
      if (data.label[row] === code()) positives += weight[row];
      else negatives += weight[row];
    }
    let [hits, alarms] = [0, 0];
    curve = [{ from: Number.POSITIVE_INFINITY, hits, alarms, positives, negatives }];
    rows.forEach((row, place) => {
      if (data.label[row] === code()) hits += weight[row];
      else alarms += weight[row];
      const next = place + 1 < n ? probability(rows[place + 1]) : -1;
      if (next < probability(row)) curve.push({ from: probability(row), hits, alarms, positives, negatives });
    });
  }

  function reached(threshold) {
    let [low, high] = [0, curve.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (curve[middle].from >= threshold) low = middle;
      else high = middle - 1;
    }
    return curve[low];
  }

  const places = {
    "t-roc": (one) => [ratio(one.alarms, one.negatives), ratio(one.hits, one.positives)],
    "t-pr": (one) => [ratio(one.hits, one.positives), ratio(one.hits, one.hits + one.alarms)],
  };
  const axes = {
    "t-roc": [say("1 - specificity"), say("sensitivity")],
    "t-pr": [say("sensitivity (recall)"), say("precision")],
  };
  const across = (value) => LOW + value * (HIGH - LOW);
  const up = (value) => 286 - value * 274;

  function part(name, attributes, words) {
    const one = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
    if (words) one.textContent = words;
    return one;
  }

  function drawCurve(id) {
    const line = curve.map(places[id]).filter((place) => !place.some(Number.isNaN));
    const points = line.map(([a, b]) => `${across(a).toFixed(1)},${up(b).toFixed(1)}`).join(" ");
    at(id).replaceChildren(
      part("rect", { x: LOW, y: 12, width: HIGH - LOW, height: 274, class: "plot-frame" }),
      part("polyline", { points, class: "plot-line" }),
      part("text", { x: (LOW + HIGH) / 2, y: 308, "text-anchor": "middle" }, axes[id][0]),
      part("text", { x: 16, y: 150, "text-anchor": "middle", transform: "rotate(-90 16 150)" }, axes[id][1]),
      part("circle", { r: 7, class: "plot-dot", cx: LOW, cy: 286 }),
    );
  }

  function cell(id, number, whole) {
    const shown = Math.abs(number - Math.round(number)) < 1e-6 ? Math.round(number).toLocaleString("en") : number.toFixed(1);
    at(id).textContent = `${shown}\n${Number.isNaN(ratio(number, whole)) ? say("n/a") : `${(100 * number / whole).toFixed(1)} %`}`;
  }

  function fittedHere() {
    return point.fitted !== null && code() === point.positive && Math.abs(Number(at("t-slider").value) - point.fitted) < 0.0006;
  }

  function state() {
    const fitted = point.fitted !== null && code() === point.positive;
    if (!fitted) return say("Exploration: no threshold was fitted for this class.");
    const told = { rule: point.rule, threshold: point.fitted.toFixed(3) };
    if (!fittedHere())
      return point.rule
        ? say("Exploration: the fitted threshold is {threshold}, fitted by the rule {rule}.", told)
        : say("Exploration: the fitted threshold is {threshold}, the most probable class.", told);
    return point.rule
      ? say("The final model's threshold, fitted by the rule {rule}. The folds have thresholds of their own, so the report's scores may differ a little.", told)
      : say("The final model's threshold, the most probable class. The folds have thresholds of their own, so the report's scores may differ a little.");
  }

  function update() {
    const threshold = Number(at("t-slider").value);
    const one = reached(threshold);
    const [missed, passed] = [one.positives - one.hits, one.negatives - one.alarms];
    const total = one.positives + one.negatives;
    at("t-value").textContent = threshold.toFixed(3);
    cell("t-tp", one.hits, one.positives);
    cell("t-fn", missed, one.positives);
    cell("t-fp", one.alarms, one.negatives);
    cell("t-tn", passed, one.negatives);
    const cost = (missed * Number(at("t-miss").value) + one.alarms * Number(at("t-alarm").value)) / total;
    const scores = [
      [say("Sensitivity (recall)"), ratio(one.hits, one.positives)],
      [say("Specificity"), ratio(passed, one.negatives)],
      [say("PPV (precision)"), ratio(one.hits, one.hits + one.alarms)],
      [say("NPV"), ratio(passed, passed + missed)],
      [say("Accuracy"), ratio(one.hits + passed, total)],
      [say("Mean cost of an image"), cost],
    ];
    at("t-scores").replaceChildren(
      ...scores.map(([name, value]) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = name;
        const number = document.createElement("td");
        number.textContent = share(value);
        row.append(head, number);
        return row;
      }),
    );
    for (const id of Object.keys(places)) {
      const [a, b] = places[id](one);
      const dot = at(id).querySelector("circle");
      dot.setAttribute("cx", across(Number.isNaN(a) ? 0 : a));
      dot.setAttribute("cy", up(Number.isNaN(b) ? 1 : b));
    }
    at("t-state").textContent = state();
    at("t-state").className = fittedHere() ? "good" : "warning";
  }

  function drag(id) {
    let held = false;
    const move = (event) => {
      const box = at(id).getBoundingClientRect();
      const [a, b] = [((event.clientX - box.left) / box.width) * 320, ((event.clientY - box.top) / box.height) * 320];
      let [best, least] = [curve[0], Number.POSITIVE_INFINITY];
      for (const one of curve) {
        const [p, q] = places[id](one);
        const distance = (across(p) - a) ** 2 + (up(q) - b) ** 2;
        if (distance < least) [best, least] = [one, distance];
      }
      at("t-slider").value = Math.min(1, best.from);
      update();
    };
    at(id).addEventListener("pointerdown", (event) => {
      held = true;
      at(id).setPointerCapture(event.pointerId);
      move(event);
    });
    at(id).addEventListener("pointermove", (event) => held && move(event));
    at(id).addEventListener("pointerup", () => (held = false));
  }

  function choose() {
    const name = data.classes[code()];
    at("t-true").textContent = name;
    at("t-yes").textContent = say("called {name}", { name });
    tally();
    Object.keys(places).forEach(drawCurve);
    reset();
  }

  function reset() {
    at("t-slider").value = code() === point.positive && point.fitted !== null ? point.fitted : 0.5;
    update();
  }

  data.classes.forEach((name, number) => {
    const one = document.createElement("option");
    one.value = number;
    one.textContent = name;
    at("t-class").append(one);
  });
  at("t-class").value = point.positive;
  if (point.costs) {
    const other = 1 - point.positive;
    at("t-miss").value = point.costs[point.positive][other];
    at("t-alarm").value = point.costs[other][point.positive];
  }
  at("t-class").addEventListener("change", choose);
  for (const id of ["t-slider", "t-miss", "t-alarm"]) at(id).addEventListener("input", update);
  at("t-reset").addEventListener("click", reset);
  Object.keys(places).forEach(drag);
  choose();
  at("threshold").hidden = false;
})();
