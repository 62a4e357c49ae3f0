"use strict";
// The plane: each configuration at its reconstruction and a score, with its cells and the Pareto front.

const plane = (() => {
  const MOST_LINES = 40; // series; with more, lines would hide the marks
  const HINT = "Point at a mark for its values; click, tap or press Enter to select its cell everywhere on the page.";
  const section = document.getElementById("plane");
  const choice = { score: null, loss: null, scale: "fit", hidden: new Set() };
  let drawn = null; // see points.layOut
  let pointed = null; // the configuration or cell under the pointer, or that arrow keys went to

  const svg = page.make("svg:svg", { class: "plane", tabindex: 0, role: "application" });
  const card = page.make("div", { class: "tip", hidden: true });
  const box = page.make("div", { class: "plane-box" }, svg, card);
  const switches = page.make("div", { class: "switches" });
  const legend = page.make("div", { class: "legend", role: "group", "aria-label": "Models" });
  const readout = page.make("p", { class: "readout", "aria-live": "polite" });
  const caption = page.make("figcaption", {});
  const figure = page.make("figure", {}, legend, box, readout, caption);
  const nothing = page.make("p", { hidden: true }, "Nothing was measured in this setting that the plane could show.");

  // ---- Drawing

  const line = (x1, y1, x2, y2, name) => page.make("svg:line", { x1, y1, x2, y2, class: name });
  const write = (x, y, text, name) => page.make("svg:text", { x, y, class: name }, text);

  function draw() {
    const setting = comparing.current();
    const width = Math.max(280, box.clientWidth);
    const height = Math.round(Math.min(500, Math.max(340, 0.56 * width)));
    drawn = points.layOut(setting, { ...choice }, width, height);
    pointed = null;
    card.hidden = true;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.setAttribute("aria-label", `${drawn.means.length} configurations by ${choice.loss ? choice.loss.label : "model"} and ` +
      `${choice.score.label}. Arrow keys go from one to the next, Enter selects it.`);
    svg.replaceChildren(
      page.make("svg:g", {}, drawHeight(), drawWidth(), drawAnchors()),
      page.make("svg:g", {}, drawFront(), drawSeries(), drawCells(), drawMeans(), nameFront()),
      page.make("svg:g", { class: "over" }),
    );
    caption.textContent = tip.describe(drawn);
    showSelected();
  }

  function drawHeight() {
    const { left, right, top, bottom, up } = drawn;
    const { score, scale } = choice;
    const ticks = up.ticks.flatMap(({ value, text }) =>
      [line(left, up.place(value), right, up.place(value), "grid"), write(left - 8, up.place(value) + 4, text, "tick end")]);
    const better = scale === "normalised" ? "higher" : score.better;
    const arrow = { higher: "  (\u2191 better)", lower: "  (\u2193 better)", "": "" }[better];
    const share = scale === "normalised" ? ", from noise 0 to perfect 1" : score.unit ? `, ${score.unit}` : "";
    const title = write(0, 0, `${score.label}${share}${arrow}`, "title middle");
    title.setAttribute("transform", `translate(13 ${(top + bottom) / 2}) rotate(-90)`);
    return [...ticks, title];
  }

  function drawWidth() {
    const { left, right, top, bottom, axis, edge, strip, width } = drawn;
    const parts = [line(left, bottom, right, bottom, "rule")];
    if (strip.length) {
      const words = axis ? ["without", choice.loss.label] : ["no reconstruction:", "a column per model"];
      const middle = (edge + right) / 2;
      parts.push(...words.map((word, number) => write(middle, bottom + 17 + 13 * number, word, "tick middle")));
    }
    if (!axis) return parts;
    if (strip.length) parts.push(line(edge, top, edge, bottom, "rule dashed"));
    for (const { value, text } of axis.ticks) {
      const x = axis.place(value);
      parts.push(line(x, bottom, x, bottom + 5, "rule"), write(x, bottom + 19, text, "tick middle"));
    }
    const unit = width > 600 ? choice.loss.unit : choice.loss.unit.replace(" per image", "");
    const words = `${choice.loss.label}, ${unit}${axis.isLog ? ", log scale" : ""}  (\u2190 better)`;
    return [...parts, write((left + edge) / 2, bottom + 45, words, "title middle")];
  }

  // Dotted lines for a perfect code and noise; beyond the plane, a note with an arrow at its edge.
  function drawAnchors() {
    const { left, right, top, bottom, up } = drawn;
    const { score } = choice;
    const ends = [["perfect", score.perfect], ["noise", score.noise]].filter(([, value]) => value !== null);
    return ends.flatMap(([name, value]) => {
      const y = up.place(points.toHeight(choice)(value));
      const text = `${name} ${writing.format(value, score)}`;
      if (y < top - 1) return [write(right - 4, top + 6, `${text} \u2191`, "anchor end")];
      if (y > bottom + 1) return [write(right - 4, bottom - 6, `${text} \u2193`, "anchor end")];
      return [line(left, y, right, y, "anchor"), write(right - 4, y - 5, text, "anchor end")];
    });
  }

  function drawFront() {
    const [first, ...rest] = drawn.front;
    if (!rest.length) return [];
    const steps = rest.map((point) => `H${point.left}V${point.top}`).join("");
    return [page.make("svg:path", { class: "front", d: `M${first.left} ${first.top}${steps}` })];
  }

  // A line along the dial of each series.
  function drawSeries() {
    const placed = drawn.means.filter((point) => point.x !== null);
    const series = groupBy(placed, (point) => drawn.setting.rows.series[point.row]).filter((some) => some.length > 1);
    return (series.length > MOST_LINES ? [] : series).map((some) => {
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

  // One element for all dots of a model, and one for all its marks of a shade: many cells stay few elements.
  function drawCells() {
    return groupBy(drawn.cells, (cell) => cell.model).map((some) => {
      const dots = some.map((cell) => `M${cell.left.toFixed(1)} ${cell.top.toFixed(1)}h0`).join("");
      return marks.colour(page.make("svg:path", { class: "seeds", d: dots }), some[0].model);
    });
  }

  function drawMeans() {
    return groupBy(drawn.means, (point) => 8 * point.model + Math.round(4 * point.shade)).map((some) => {
      const outlines = some.map((point) => marks.outline(point.model, point.left, point.top, drawn.radius));
      return marks.path(drawn.setting, some[0].model, Math.round(4 * some[0].shade) / 4, outlines.join(""));
    });
  }

  // Name the points of the front, where their names cover neither each other nor a mark.
  function nameFront() {
    const { setting, front, means, left, right, top, width } = drawn;
    const taken = [];
    return (width < 600 ? [] : front).flatMap((point) => {
      const text = setting.rows.label[point.row];
      const half = 3.1 * text.length;
      const y = Math.max(top + 8, point.top - 10);
      const x = Math.min(Math.max(point.left, left + half), right - half);
      const isFree = taken.every((other) => Math.abs(other.x - x) > other.half + half + 6 || Math.abs(other.y - y) > 14);
      const isClear = means.every((other) => other === point ||
        Math.abs(other.left - x) > half + 5 || Math.abs(other.top - (y - 4)) > 11);
      if (text.length > 40 || !isFree || !isClear) return [];
      taken.push({ x, y, half });
      return [write(x, y, text, "name middle")];
    });
  }

  // ---- What is pointed at, and what is selected

  function ringOf(item, name) {
    const r = item.cell === undefined ? drawn.radius + 4 : 5;
    return page.make("svg:circle", { class: `ring ${name}`, cx: item.left, cy: item.top, r });
  }

  // Bars of one standard deviation around a configuration.
  function spreadOf(item) {
    const { setting, axis, up } = drawn;
    if (item.cell !== undefined) return [];
    const bars = [];
    const { mean, std } = comparing.sample(setting, choice.score.name, item.row);
    if (std !== null) {
      const [low, high] = [mean - std, mean + std].map(points.toHeight(choice)).map(up.place);
      bars.push(line(item.left, low, item.left, high, "spread pointed"));
    }
    const along = item.x === null ? { std: null } : comparing.sample(setting, choice.loss.name, item.row);
    if (along.std !== null) {
      const least = axis.isLog ? Math.max(along.mean - along.std, axis.domain[0]) : along.mean - along.std;
      bars.push(line(axis.place(least), item.top, axis.place(along.mean + along.std), item.top, "spread pointed"));
    }
    return bars;
  }

  function point(item) {
    if (item === pointed) return;
    pointed = item;
    const over = svg.querySelector(".over");
    over.querySelectorAll(".pointed").forEach((old) => old.remove());
    card.hidden = item === null;
    if (item === null) return;
    over.append(...spreadOf(item), ringOf(item, "pointed"));
    card.replaceChildren(...tip.draw(drawn, item));
    const [wide, high] = [card.offsetWidth, card.offsetHeight];
    const left = item.left + 18 + wide < drawn.width ? item.left + 18 : Math.max(0, item.left - 18 - wide);
    card.style.left = `${left}px`;
    card.style.top = `${Math.max(0, Math.min(item.top - high / 2, svg.clientHeight - high))}px`;
  }

  function showSelected() {
    const over = svg.querySelector(".over");
    over.querySelectorAll(".selected").forEach((old) => old.remove());
    const found = comparing.locate(page.selected());
    if (!found || found.setting !== drawn.setting) {
      readout.textContent = HINT;
      return;
    }
    const items = [...drawn.means.filter((one) => one.row === found.row), ...drawn.cells.filter((one) => one.cell === found.cell)];
    over.append(...items.map((item) => ringOf(item, "selected")));
    const { name, seeds, values, folder } = tip.tell(drawn, found);
    const listed = values.slice(0, 2).map(([column, text]) => `, ${column.label} ${text}`);
    readout.replaceChildren("Selected: ", page.make("b", {}, `${name}, ${seeds}`), ...listed, ", in ", page.make("code", {}, folder), ". ", ...leadOn());
  }

  // Where else on the page the selected cell is.
  function leadOn() {
    const row = page.make("button", { type: "button", class: "bare link", onclick: table.reveal }, "Its row in the table");
    const inPlay = models.find(page.selected()) && play.panels.length;
    return [...(inPlay ? [page.make("a", { href: "#play" }, "Play with it"), " \u00b7 "] : []), row,
      inPlay ? "" : ". It is not among the models to play with."];
  }

  function select(item) {
    if (item === null) return;
    if (item.cell === undefined) comparing.selectRow(drawn.setting, item.row, plane);
    else page.select(drawn.setting.cells[item.cell].hash, plane);
  }

  // ---- Pointer and keys

  function findNearest(event) {
    const frame = svg.getBoundingClientRect();
    const zoom = frame.width / drawn.width;
    const [x, y] = [(event.clientX - frame.left) / zoom, (event.clientY - frame.top) / zoom];
    let [found, least] = [null, 16];
    for (const item of [...drawn.means, ...drawn.cells]) {
      // the mark of a configuration is in front of a dot that it covers
      const distance = Math.hypot(item.left - x, item.top - y) - (item.cell === undefined ? 4 : 0);
      if (distance < least) [found, least] = [item, distance];
    }
    return found;
  }

  const MOVES = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };

  // Left and right go along the reconstruction, up and down along the score, from the selected one at first.
  function press(event) {
    if (event.key in MOVES && drawn.means.length) {
      const along = ["ArrowUp", "ArrowDown"].includes(event.key) ? "top" : "left";
      const order = [...drawn.means].sort((one, other) => one[along] - other[along]);
      const selected = comparing.locate(page.selected());
      const from = pointed ? pointed.row : selected && selected.setting === drawn.setting ? selected.row : null;
      const place = order.findIndex((one) => one.row === from);
      const next = place < 0 && Math.abs(MOVES[event.key]) === 1 ? 0 : place + MOVES[event.key];
      point(order[Math.min(Math.max(next, 0), order.length - 1)]);
      readout.textContent = tip.say(drawn, pointed);
    } else if (event.key === "Enter" || event.key === " ") select(pointed);
    else if (event.key === "Escape") point(null);
    else return;
    event.preventDefault();
  }

  // ---- Switches and legend

  function chooseColumn(label, columns, value, onchange) {
    const option = (column) => page.make("option", { value: column.name, selected: column === value }, column.label);
    const [scores, others] = [true, false].map((is) => columns.filter((column) => column.is_score === is));
    const group = (name, some) => page.make("optgroup", { label: name }, some.map(option));
    const options = scores.length && others.length ? [group("scores", scores), group("other", others)] : columns.map(option);
    const change = () => onchange(columns.find((column) => column.name === control.value));
    const control = page.make("select", { name: label, onchange: change }, options);
    return page.make("label", {}, page.make("span", {}, label), control);
  }

  const chooser = comparing.chooser("dataset");
  const scales = page.make("div", { class: "choices" });

  function buildSwitches(setting) {
    const losses = points.listLosses(setting);
    page.replace(switches, [
      chooser,
      chooseColumn("score", points.listHeights(setting), choice.score, (column) => {
        choice.score = column;
        buildScales();
        draw();
      }),
      losses.length > 1 ? chooseColumn("across", losses, choice.loss, (column) => { choice.loss = column; draw(); }) : null,
      page.make("div", { role: "radiogroup", "aria-label": "scale of the score" }, page.make("span", { class: "label" }, "scale"), scales),
    ].filter((control) => control !== null));
    buildScales();
  }

  function buildScales() {
    const possible = points.listScales(choice.score);
    if (!possible.includes(choice.scale)) choice.scale = "fit";
    const option = (scale) => page.make("label", { class: "option" }, page.make("input", {
      type: "radio", name: "plane-scale", value: scale, checked: scale === choice.scale, disabled: !possible.includes(scale),
      onchange: () => { choice.scale = scale; draw(); },
    }), page.make("span", {}, scale));
    scales.replaceChildren(...["fit", "full", "normalised"].map(option));
  }

  // Dim the marks of all models but one; null dims none.
  function light(number) {
    svg.classList.toggle("dimmed", number !== null);
    for (const part of svg.querySelectorAll("[data-model]")) part.classList.toggle("lit", Number(part.dataset.model) === number);
  }

  // The models; pressing one hides it, or shows it again, and pointing at one dims the others.
  function buildLegend(setting) {
    const buttons = setting.models.map((model, number) => {
      const shades = setting.rows.shade.filter((_, row) => setting.rows.model[row] === number);
      const ends = [...new Set([Math.min(...shades), Math.max(...shades)])];
      const note = model.note || (model.baseline ? "baseline" : "");
      const button = page.make("button", { type: "button", class: "bare model", "aria-pressed": "true", onclick: () => {
        if (!choice.hidden.delete(number)) choice.hidden.add(number);
        update();
      }, onpointerenter: () => light(number), onpointerleave: () => light(null), onfocus: () => light(number), onblur: () => light(null) }, marks.swatch(setting, number, ends), model.name, note ? page.make("small", {}, note) : null);
      return button;
    });
    const all = page.make("button", { type: "button", class: "bare all", onclick: () => {
      choice.hidden = new Set(choice.hidden.size ? [] : buttons.keys());
      update();
    } });
    const update = () => {
      for (const [number, button] of buttons.entries()) button.setAttribute("aria-pressed", String(!choice.hidden.has(number)));
      all.textContent = choice.hidden.size ? "show all" : "hide all";
      draw();
    };
    all.textContent = "hide all";
    legend.replaceChildren(...buttons, ...(buttons.length > 3 ? [all] : []));
  }

  function show(setting) {
    const find = (column) => setting.quantities.find((one) => column && one.name === column.name);
    const byName = (name) => setting.quantities.find((one) => one.name === name);
    choice.hidden = new Set();
    choice.score = find(choice.score) ?? byName(setting.lead) ?? points.listHeights(setting)[0] ?? null;
    choice.loss = find(choice.loss) ?? byName(setting.loss) ?? null;
    nothing.hidden = choice.score !== null;
    figure.hidden = choice.score === null;
    if (choice.score === null) {
      page.replace(switches, chooser === null ? [] : [chooser]);
      return;
    }
    buildSwitches(setting);
    buildLegend(setting);
    draw();
  }

  function listen() {
    svg.addEventListener("pointermove", (event) => point(findNearest(event)));
    svg.addEventListener("pointerleave", () => point(null));
    svg.addEventListener("click", (event) => { point(findNearest(event)); select(pointed); });
    svg.addEventListener("keydown", press);
    svg.addEventListener("blur", () => point(null));
    let width = box.clientWidth;
    new ResizeObserver(() => {
      if (box.clientWidth !== width && choice.score) draw();
      width = box.clientWidth;
    }).observe(box);
    comparing.onChoose(show);
    page.onSelect(() => { if (choice.score && drawn.setting === comparing.current()) showSelected(); });
  }

  if (comparing.settings.some((setting) => points.listHeights(setting).length)) {
    section.hidden = false;
    for (const link of document.querySelectorAll('a[href="#plane"]')) link.hidden = false;
    section.append(switches, figure, nothing);
    show(comparing.current());
    listen();
  }

  return { drawn: () => drawn };
})();
