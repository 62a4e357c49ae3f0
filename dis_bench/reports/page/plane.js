"use strict";
// The plane: each configuration at its reconstruction and a score, with its seeds and the Pareto front.

const plane = (() => {
  const section = document.getElementById("plane");
  const chosen = { score: null, loss: null, scale: "fit" };
  let hidden = new Set(); // numbers of models
  let drawn = null; // what is on the plane, to find what a pointer is at
  let pointed = null; // the configuration or cell under the pointer, or of the arrow keys

  const svg = page.make("svg:svg", { class: "plane", tabindex: 0, role: "application" });
  const tip = page.make("div", { class: "tip", hidden: true });
  const box = page.make("div", { class: "plane-box" }, svg, tip);
  const controls = page.make("div", { class: "switches" });
  const legend = page.make("div", { class: "legend", role: "group", "aria-label": "Models" });
  const readout = page.make("p", { class: "readout", "aria-live": "polite" });
  const caption = page.make("figcaption", {});

  // ---- Which quantities there are

  const isLoss = (column) => column.better === "lower" && ["reconstruction", "mse"].includes(column.name);

  function find(setting, name) {
    return setting.quantities.find((column) => column.name === name) ?? null;
  }

  function heights(setting) {
    const others = setting.quantities.filter((column) => !isLoss(column));
    return [...others.filter((column) => column.is_score), ...others.filter((column) => !column.is_score)];
  }

  // Scales that a score has: "full" needs a bounded range, "normalised" needs two anchors that differ.
  function scalesOf(column) {
    const bounded = column.range !== null && column.range.every((end) => end !== null);
    const anchored = column.perfect !== null && column.perfect !== column.noise;
    return { fit: true, full: bounded, normalised: anchored };
  }

  function normalise(column, value) {
    return (value - column.noise) / (column.perfect - column.noise);
  }

  // ---- Points

  // The configurations that have the score, and their cells, in the units of the chosen scale.
  function gather(setting) {
    const { score, loss, scale } = chosen;
    const toScale = scale === "normalised" ? (value) => normalise(score, value) : (value) => value;
    const across = (value) => (value === undefined ? null : value);
    const points = [];
    const seeds = [];
    const { mean } = setting.values[score.name];
    for (const [row, model] of setting.rows.model.entries()) {
      if (mean[row] === null || hidden.has(model)) continue;
      const x = loss ? setting.values[loss.name].mean[row] : null;
      points.push({ row, model, x, y: toScale(mean[row]), shade: setting.rows.shade[row] });
      if (setting.cellsOfRow[row].length < 2) continue;
      for (const cell of setting.cellsOfRow[row]) {
        const y = across(comparing.valueOfCell(setting, score.name, cell));
        const at = loss ? across(comparing.valueOfCell(setting, loss.name, cell)) : null;
        if (y !== null) seeds.push({ row, cell, model, x: at, y: toScale(y) });
      }
    }
    return { points, seeds };
  }

  // Points that no other point beats in both directions, from the best reconstruction on.
  function findFront(points) {
    const { score } = chosen;
    if (!score.better) return [];
    const sign = score.better === "lower" ? -1 : 1;
    const placed = points.filter((point) => point.x !== null);
    placed.sort((one, other) => one.x - other.x || sign * (other.y - one.y));
    let best = -Infinity;
    return placed.filter((point) => {
      const isBetter = sign * point.y > best;
      best = Math.max(best, sign * point.y);
      return isBetter;
    });
  }

  // ---- Drawing

  // The vertical axis: as high as its values, or as the whole range, or from noise to a perfect code.
  function makeHeight(column, values, from, to, count) {
    const [bottom, top] = chosen.scale === "full" ? column.range : [0, 1];
    if (chosen.scale === "fit") return axes.makeLinear(axes.extent(values), from, to, count);
    return axes.makeLinear(axes.extent([...values, bottom, top], 0.03), from, to, count);
  }

  const line = (x1, y1, x2, y2, name) => page.make("svg:line", { x1, y1, x2, y2, class: name });
  const write = (x, y, text, name) => page.make("svg:text", { x, y, class: name }, text);

  function draw() {
    const setting = comparing.current();
    const { points, seeds } = gather(setting);
    const width = Math.max(280, box.clientWidth);
    const height = Math.round(Math.min(500, Math.max(340, 0.56 * width)));
    const place = layOut(setting, points, seeds, width, height);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.replaceChildren(page.make("svg:g", { class: "axes" }, drawAxes(place)));
    for (const point of [...points, ...seeds]) {
      point.left = place.across(point);
      point.top = place.height.place(point.y);
    }
    const front = findFront(points);
    svg.append(...drawFront(front), ...drawSeries(setting, points), ...drawSeeds(seeds), ...drawMarks(setting, points, place.radius));
    svg.append(page.make("svg:g", { class: "names" }, nameFront(setting, front, points, place)));
    svg.append(page.make("svg:g", { class: "over" }));
    drawn = { setting, points, seeds, front, place };
    describe(setting, points, front);
    showSelected();
  }

  // Where everything goes: the plane, and beside it a strip for models without a reconstruction.
  function layOut(setting, points, seeds, width, height) {
    const placed = points.filter((point) => point.x !== null);
    const strip = [...new Set(points.filter((point) => point.x === null).map((point) => point.model))];
    const [left, right, top, bottom] = [58, width - 14, 16, height - 50];
    const narrow = Math.min(Math.max(96, 22 * strip.length + 20), 0.35 * width);
    const edge = strip.length && placed.length ? right - narrow : placed.length ? right : left;
    const vertical = makeHeight(chosen.score, [...points, ...seeds].map((point) => point.y), bottom, top, 6);
    const loss = [...placed, ...seeds.filter((seed) => seed.x !== null)].map((point) => point.x);
    const axis = placed.length ? axes.fit(loss, left, edge - (strip.length ? 10 : 0), width > 600 ? 8 : 4) : null;
    const step = (right - edge) / (strip.length || 1);
    const across = (point) =>
      point.x === null ? edge + step * (strip.indexOf(point.model) + 0.5) : axis.place(point.x);
    const radius = points.length > 400 ? 3.5 : 6;
    return { left, right, top, bottom, edge, axis, height: vertical, across, strip, width, radius };
  }

  function drawAxes({ left, right, top, bottom, edge, axis, height, strip, width }) {
    const { score, loss, scale } = chosen;
    const parts = [];
    for (const { value, text } of height.ticks) {
      const y = height.place(value);
      parts.push(line(left, y, right, y, "grid"), write(left - 8, y + 4, text, "tick end"));
    }
    for (const { value, text } of axis ? axis.ticks : []) {
      const x = axis.place(value);
      parts.push(line(x, bottom, x, bottom + 5, "rule"), write(x, bottom + 19, text, "tick middle"));
    }
    parts.push(line(left, bottom, right, bottom, "rule"));
    if (strip.length) {
      if (axis) parts.push(line(edge, top, edge, bottom, "rule dashed"));
      const words = loss && axis ? ["without", loss.label] : ["no reconstruction:", "a column per model"];
      const middle = (edge + right) / 2;
      parts.push(...words.map((word, number) => write(middle, bottom + 19 + 15 * number, word, "tick middle")));
    }
    if (axis) {
      const unit = loss.unit === "nats per image" ? "nats per image" : loss.unit;
      const logged = axis.isLog ? ", log scale" : "";
      const words = width > 600 ? `${loss.label}, ${unit}${logged}  (\u2190 better)` : `${loss.label}${logged}  (\u2190 better)`;
      parts.push(write((left + edge) / 2, bottom + 40, words, "title middle"));
    }
    const arrow = { higher: "  (\u2191 better)", lower: "  (\u2193 better)", "": "" }[score.better];
    const share = scale === "normalised" ? ", from noise 0 to perfect 1" : "";
    const title = write(0, 0, `${score.label}${share}${arrow}`, "title middle");
    title.setAttribute("transform", `translate(13 ${(top + bottom) / 2}) rotate(-90)`);
    return [...parts, title, ...drawAnchors(left, right, top, bottom, height)];
  }

  // Dotted lines for a perfect code and noise; beyond the plane, a note with an arrow at its edge.
  function drawAnchors(left, right, top, bottom, height) {
    const { score, scale } = chosen;
    if (score.perfect === null) return [];
    return [["perfect", score.perfect], ["noise", score.noise]].flatMap(([name, value]) => {
      const y = height.place(scale === "normalised" ? normalise(score, value) : value);
      const text = `${name} ${writing.format(value, score)}`;
      if (y < top - 1) return [write(right - 4, top + 6, `${text} \u2191`, "anchor end")];
      if (y > bottom + 1) return [write(right - 4, bottom - 6, `${text} \u2193`, "anchor end")];
      return [line(left, y, right, y, "anchor"), write(right - 4, y - 5, text, "anchor end")];
    });
  }

  function drawFront(front) {
    if (front.length < 2) return [];
    const steps = front.slice(1).map((point) => `H${point.left}V${point.top}`).join("");
    return [page.make("svg:path", { class: "front", d: `M${front[0].left} ${front[0].top}${steps}` })];
  }

  const MOST_LINES = 40; // series; with more, lines would hide the marks

  function drawSeries(setting, points) {
    const placed = points.filter((point) => point.x !== null);
    const paths = groupBy(placed, (point) => setting.rows.series[point.row]).filter((some) => some.length > 1);
    if (paths.length > MOST_LINES) return [];
    return paths.map((some) => {
      const way = some.map((point) => `${point.left} ${point.top}`).join("L");
      return marks.colour(page.make("svg:path", { class: "series", d: `M${way}` }), some[0].model);
    });
  }

  function groupBy(items, key) {
    const groups = new Map();
    for (const item of items) {
      const name = key(item);
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(item);
    }
    return [...groups.values()];
  }

  function drawSeeds(seeds) {
    return groupBy(seeds, (seed) => seed.model).map((some) => {
      const dots = some.map((seed) => `M${seed.left.toFixed(1)} ${seed.top.toFixed(1)}h0`).join("");
      return marks.colour(page.make("svg:path", { class: "seeds", d: dots }), some[0].model);
    });
  }

  // One path for all marks of a model and a shade, so that many configurations stay a few elements.
  function drawMarks(setting, points, radius) {
    const key = (point) => 8 * point.model + Math.round(4 * point.shade);
    return groupBy(points, key).map((some) => {
      const d = some.map((point) => marks.outline(point.model, point.left, point.top, radius)).join("");
      return marks.path(setting, some[0].model, Math.round(4 * some[0].shade) / 4, d);
    });
  }

  // Name the points of the front, where their names cover neither each other nor a mark.
  function nameFront(setting, front, points, { left, right, top, width }) {
    const taken = [];
    if (width < 600) return [];
    return front.flatMap((point) => {
      const text = setting.rows.label[point.row];
      if (text.length > 40) return [];
      const wide = 6.2 * text.length;
      const y = Math.max(top + 8, point.top - 10);
      const x = Math.min(Math.max(point.left, left + wide / 2), right - wide / 2);
      const isFree = taken.every(([otherX, otherY, otherWide]) =>
        Math.abs(otherX - x) > (otherWide + wide) / 2 + 6 || Math.abs(otherY - y) > 14);
      const isClear = points.every((other) => other === point ||
        Math.abs(other.left - x) > wide / 2 + 5 || Math.abs(other.top - (y - 4)) > 11);
      if (!isFree || !isClear) return [];
      taken.push([x, y, wide]);
      return [write(x, y, text, "name middle")];
    });
  }

  // ---- Words around it

  function describe(setting, points, front) {
    const { score, loss } = chosen;
    const on = front.map((point) => setting.rows.label[point.row]);
    const some = on.length > 6 ? `${on.slice(0, 6).join("; ")}; and ${on.length - 6} more` : on.join("; ");
    const told = on.length ? ` The stepped line is the Pareto front, the configurations that no other beats in both means: ${some}.` : "";
    const baselines = setting.models.some((model) => model.baseline) ? " Hollow marks are baselines." : "";
    const shades = setting.rows.shade.some((shade) => shade > 0) ? " A mark is darker the higher the dial (in the dark scheme, lighter)." : "";
    const saturated = score.saturated
      ? ` ${score.label} is saturated by ${score.saturated}: it says little about which model is better.` : "";
    caption.textContent =
      `Colour and shape are the model; a mark is the mean over the seeds of a configuration, a dot one cell.${shades}${baselines}${told}${saturated}`;
    svg.setAttribute("aria-label",
      `${points.length} configurations by ${loss ? loss.label : "model"} and ${score.label}. ` +
      "Arrow keys go from one to the next, Enter selects it.");
  }

  // What is known of a configuration, or of one of its cells.
  function tell(setting, { row, cell }) {
    const { score, loss } = chosen;
    const isCell = cell !== undefined;
    const value = (column) => {
      if (isCell) {
        const own = comparing.valueOfCell(setting, column.name, cell);
        return own === null || own === undefined ? null : writing.format(own, column);
      }
      const { mean, std } = comparing.sample(setting, column.name, row);
      return mean === null ? null : writing.formatSpread(mean, std, column);
    };
    const named = [loss, score, ...setting.quantities.filter((column) => column.is_score)].filter(Boolean);
    const values = [...new Set(named)].map((column) => [column, value(column)]).filter(([, text]) => text !== null);
    const cells = setting.cellsOfRow[row].map((number) => setting.cells[number]);
    const seeds = cells.length === 1 ? `seed ${cells[0].seed}` : `mean of ${setting.rows.n[row]} seeds`;
    const folder = isCell ? setting.cells[cell].folder : cells[0].folder;
    const more = isCell || cells.length === 1 ? "" : ` and ${cells.length - 1} more`;
    return {
      name: setting.rows.label[row], seeds: isCell ? `seed ${setting.cells[cell].seed}` : seeds, values,
      folder: `${folder}${more}`,
    };
  }

  const MOST_VALUES = 9;

  function showTip(item) {
    pointed = item;
    const over = svg.querySelector(".over");
    over.querySelectorAll(".pointed").forEach((old) => old.remove());
    tip.hidden = item === null;
    if (item === null) return;
    const { setting, place } = drawn;
    over.append(...spreadOf(setting, item, place), ringOf(item, "ring pointed"));
    const { name, seeds, values, folder } = tell(setting, item);
    const rows = values.slice(0, MOST_VALUES).map(([column, text]) =>
      page.make("tr", {}, page.make("th", {}, column.label), page.make("td", {}, text)));
    const more = values.length > MOST_VALUES ? page.make("p", {}, `${values.length - MOST_VALUES} more in the table`) : null;
    tip.replaceChildren(...[
      page.make("p", { class: "tip-name" }, marks.swatch(setting, item.model, [setting.rows.shade[item.row]]), name),
      page.make("p", {}, seeds), page.make("table", {}, page.make("tbody", {}, rows)), more,
      page.make("p", { class: "tip-folder" }, folder),
    ].filter(Boolean));
    const wide = tip.offsetWidth;
    const high = tip.offsetHeight;
    const beside = item.left + 16 + wide < place.width ? item.left + 16 : Math.max(0, item.left - 16 - wide);
    tip.style.left = `${beside}px`;
    tip.style.top = `${Math.min(Math.max(0, item.top - high / 2), svg.clientHeight - Math.min(high, svg.clientHeight))}px`;
  }

  function ringOf(item, name) {
    return page.make("svg:circle", { class: name, cx: item.left, cy: item.top, r: item.cell === undefined ? drawn.place.radius + 4 : 5 });
  }

  // Bars of one standard deviation around a configuration.
  function spreadOf(setting, item, { axis, height }) {
    if (item.cell !== undefined) return [];
    const { score, loss, scale } = chosen;
    const up = comparing.sample(setting, score.name, item.row);
    const toScale = scale === "normalised" ? (value) => normalise(score, value) : (value) => value;
    const bars = [];
    if (up.std !== null) {
      const [low, high] = [up.mean - up.std, up.mean + up.std].map((value) => height.place(toScale(value)));
      bars.push(line(item.left, low, item.left, high, "spread pointed"));
    }
    const along = loss && item.x !== null ? comparing.sample(setting, loss.name, item.row) : { std: null };
    if (along.std !== null) {
      const least = axis.isLog ? Math.max(along.mean - along.std, axis.domain[0]) : along.mean - along.std;
      bars.push(line(axis.place(least), item.top, axis.place(along.mean + along.std), item.top, "spread pointed"));
    }
    return bars;
  }

  const HINT = "Point at a mark for its values; click, tap or press Enter to select its cell everywhere on the page.";

  function showSelected() {
    const over = svg.querySelector(".over");
    over.querySelectorAll(".selected").forEach((old) => old.remove());
    const found = comparing.locate(page.selected());
    if (!found || found.setting !== drawn.setting) {
      readout.textContent = HINT;
      return;
    }
    const point = drawn.points.find((one) => one.row === found.row);
    const seed = drawn.seeds.find((one) => one.cell === found.cell);
    over.append(...[point, seed].filter(Boolean).map((item) => ringOf(item, "ring selected")));
    const { name, seeds, values, folder } = tell(drawn.setting, { row: found.row, cell: found.cell });
    const listed = values.slice(0, 2).map(([column, text]) => `${column.label} ${text}`).join(", ");
    readout.replaceChildren("Selected: ", page.make("b", {}, `${name}, ${seeds}`), `${listed ? `, ${listed}` : ""}, in `,
      page.make("code", {}, folder), ".");
  }

  // ---- Pointer and keys

  function findNearest(event) {
    const frame = svg.getBoundingClientRect();
    const scale = frame.width / drawn.place.width;
    const [x, y] = [(event.clientX - frame.left) / scale, (event.clientY - frame.top) / scale];
    let found = null;
    let least = 16;
    for (const item of [...drawn.points, ...drawn.seeds]) {
      // the mark of a configuration is in front of a dot that it covers
      const distance = Math.hypot(item.left - x, item.top - y) - (item.cell === undefined ? 4 : 0);
      if (distance < least) [found, least] = [item, distance];
    }
    return found;
  }

  function select(item) {
    if (item === null) return;
    if (item.cell === undefined) comparing.selectRow(drawn.setting, item.row, plane);
    else page.select(drawn.setting.cells[item.cell].hash, plane);
  }

  function step(key) {
    const along = key === "ArrowLeft" || key === "ArrowRight" ? "left" : "top";
    const order = [...drawn.points].sort((one, other) => one[along] - other[along]);
    const selected = comparing.locate(page.selected());
    const from = pointed ?? drawn.points.find((point) => selected && point.row === selected.row);
    const place = order.findIndex((point) => from && point.row === from.row);
    const move = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
    const next = key === "Home" ? 0 : key === "End" ? order.length - 1 : place < 0 ? 0 : place + move;
    return order[Math.min(Math.max(next, 0), order.length - 1)] ?? null;
  }

  function press(event) {
    if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) {
      showTip(step(event.key));
      const { name, seeds, values } = tell(drawn.setting, pointed);
      readout.textContent = `${name}, ${seeds}: ${values.map(([column, text]) => `${column.label} ${text}`).join(", ")}.`;
    } else if (event.key === "Enter" || event.key === " ") select(pointed);
    else if (event.key === "Escape") showTip(null);
    else return;
    event.preventDefault();
  }

  // ---- Controls

  function labelled(text, control) {
    return page.make("label", {}, page.make("span", {}, text), control);
  }

  function selectOf(columns, value, onchange) {
    const option = (column) => page.make("option", { value: column.name, selected: column === value }, column.label);
    const scores = columns.filter((column) => column.is_score);
    const others = columns.filter((column) => !column.is_score);
    const groups = scores.length && others.length
      ? [page.make("optgroup", { label: "scores" }, scores.map(option)), page.make("optgroup", { label: "other" }, others.map(option))]
      : columns.map(option);
    const select = page.make("select", { onchange: () => onchange(columns.find((column) => column.name === select.value)) }, groups);
    return select;
  }

  const chooser = comparing.chooser("dataset");

  function buildControls(setting) {
    const score = selectOf(heights(setting), chosen.score, (column) => { chosen.score = column; checkScale(); update(); });
    const losses = setting.quantities.filter(isLoss);
    const loss = losses.length > 1
      ? labelled("across", selectOf(losses, chosen.loss, (column) => { chosen.loss = column; draw(); })) : null;
    const possible = scalesOf(chosen.score);
    const scales = ["fit", "full", "normalised"].map((scale) => page.make("label", { class: "option" },
      page.make("input", {
        type: "radio", name: "plane-scale", value: scale, checked: scale === chosen.scale, disabled: !possible[scale],
        onchange: () => { chosen.scale = scale; draw(); },
      }), page.make("span", {}, scale)));
    const scale = page.make("div", { role: "radiogroup", "aria-label": "scale of the score" },
      page.make("span", { class: "label" }, "scale"), page.make("div", { class: "choices" }, scales));
    controls.replaceChildren(...[chooser, labelled("score", score), loss, scale].filter(Boolean));
  }

  function checkScale() {
    if (!scalesOf(chosen.score)[chosen.scale]) chosen.scale = "fit";
  }

  function buildLegend(setting) {
    const items = setting.models.map((model, number) => {
      const rows = setting.rows.model.flatMap((one, row) => (one === number ? [row] : []));
      const shades = rows.map((row) => setting.rows.shade[row]);
      const ends = [Math.min(...shades), Math.max(...shades)];
      const swatch = marks.swatch(setting, number, ends[0] === ends[1] ? [ends[0]] : ends);
      const note = model.note || (model.baseline ? "baseline" : "");
      return page.make("button", {
        type: "button", class: "bare model", "aria-pressed": String(!hidden.has(number)),
        onclick: () => { hidden.has(number) ? hidden.delete(number) : hidden.add(number); update(); },
      }, swatch, model.name, note ? page.make("small", {}, ` ${note}`) : null);
    });
    const all = page.make("button", { type: "button", onclick: () => { hidden = new Set(); update(); } }, "show all");
    const none = page.make("button", { type: "button",
      onclick: () => { hidden = new Set(setting.models.keys()); update(); } }, "hide all");
    legend.replaceChildren(...items, ...(setting.models.length > 3 ? [hidden.size ? all : none] : []));
  }

  function update() {
    const setting = comparing.current();
    const focus = [...legend.children, ...controls.querySelectorAll("select, input")].indexOf(document.activeElement);
    buildControls(setting);
    buildLegend(setting);
    draw();
    [...legend.children, ...controls.querySelectorAll("select, input")][focus]?.focus();
  }

  function show(setting) {
    hidden = new Set();
    pointed = null;
    tip.hidden = true;
    const columns = heights(setting);
    chosen.score = find(setting, chosen.score?.name) ?? find(setting, setting.lead) ?? columns[0] ?? null;
    chosen.loss = find(setting, chosen.loss?.name) ?? find(setting, setting.loss);
    section.querySelector(".nothing").hidden = chosen.score !== null;
    section.querySelector("figure").hidden = chosen.score === null;
    controls.replaceChildren(...[chooser].filter(Boolean));
    if (chosen.score === null) return;
    checkScale();
    update();
  }

  function start() {
    if (!comparing.settings.some((setting) => heights(setting).length)) return;
    section.hidden = false;
    for (const link of document.querySelectorAll('a[href="#plane"]')) link.hidden = false;
    section.append(controls, page.make("figure", {}, legend, box, readout, caption),
      page.make("p", { class: "nothing", hidden: true }, "Nothing was measured in this setting that the plane could show."));
    svg.addEventListener("pointermove", (event) => showTip(findNearest(event)));
    svg.addEventListener("pointerleave", () => showTip(null));
    svg.addEventListener("click", (event) => { showTip(findNearest(event)); select(pointed); });
    svg.addEventListener("keydown", press);
    svg.addEventListener("blur", () => showTip(null));
    show(comparing.current());
    let width = box.clientWidth;
    new ResizeObserver(() => {
      if (box.clientWidth !== width && chosen.score) draw();
      width = box.clientWidth;
    }).observe(box);
    comparing.onChoose(show);
    page.onSelect(() => { if (drawn && drawn.setting === comparing.current()) showSelected(); });
  }

  start();
  return { drawn: () => drawn, chosen };
})();
