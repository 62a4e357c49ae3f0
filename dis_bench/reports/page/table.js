"use strict";
// The table: it sorts, filters, ranks, unfolds to seeds, and copies what it shows.

const table = (() => {
  const still = document.getElementById("table-static");
  const place = document.getElementById("table-live");
  const PAGE = 100; // configurations; more are shown on request
  const RANK = { name: "rank", head: "rank", markdown: "rank", latex: "rank", csv: ["rank"] };
  let state = null;

  function reset() {
    state = { sort: null, descending: false, filter: "", left: new Set(), unfolded: new Set(), most: PAGE };
  }

  const isQuantity = (column) => "digits" in column;

  // ---- What is shown

  // The value by which a column sorts; null goes last in both directions.
  function keyOf(setting, column, row) {
    if (isQuantity(column)) return setting.values[column.name].mean[row];
    if (column.name === "series") return row;
    if (column.name === "n") return setting.rows.n[row];
    const [, , level, beta, norm] = setting.rows.csv[row];
    if (column.name === "beta_norm") return norm;
    return setting.by_dial ? level : beta; // the second column, which is headed by one of the two
  }

  function sortRows(setting, rows) {
    const column = setting.columns.find((one) => one.name === state.sort);
    if (!column) return rows;
    const sign = state.descending ? -1 : 1;
    return rows
      .map((row) => [keyOf(setting, column, row), row])
      .sort(([one, first], [other, second]) => {
        if (one === null || other === null) return (one === null) - (other === null) || first - second;
        return sign * (one - other) || first - second;
      })
      .map(([, row]) => row);
  }

  // The table as it is shown, for the page and for the writers: see writing.js.
  // The lines are those of the first rows only, where not all are drawn.
  function compose(most = Infinity) {
    const setting = comparing.current();
    const { rows: found, faults } = filter.parse(state.filter, setting);
    const rows = sortRows(setting, found);
    const sorted = setting.quantities.find((column) => column.name === state.sort);
    const judged = sorted && sorted.better ? comparing.rank(setting, sorted, rows) : new Map();
    const ranks = judged.size ? judged : null;
    const kept = setting.columns.filter((column) => !state.left.has(column.name));
    const columns = ranks ? [...kept.slice(0, 1), RANK, ...kept.slice(1)] : kept;
    const best = new Map(setting.quantities.map((column) => [column.name, comparing.findBest(setting, column, rows)]));
    const lines = rows.slice(0, most).flatMap((row) => [
      lineOfRow(setting, columns, row, ranks, best),
      ...(state.unfolded.has(row) ? setting.cellsOfRow[row].map((cell) => lineOfCell(setting, columns, row, cell)) : []),
    ]);
    const fixed = setting.columns.map((column) => column.name);
    const anchors = setting.anchors.map((texts) => columns.map((column) =>
      column === RANK ? writing.DASH : texts[fixed.indexOf(column.name)]));
    const published = setting.published.map((texts) => columns.map((column) =>
      column === RANK ? writing.DASH : texts[fixed.indexOf(column.name)]));
    const latexEnd = setting.latex_end;
    return { setting, title: setting.latex_title, latexEnd, columns, lines, anchors, published, rows, ranks, sorted, faults };
  }

  function lineOfRow(setting, columns, row, ranks, best) {
    const fixed = setting.columns.filter((column) => !isQuantity(column)).map((column) => column.name);
    const n = setting.rows.n[row];
    const cells = columns.map((column) => {
      if (column === RANK) return { text: ranks.has(row) ? String(ranks.get(row)) : writing.DASH, best: false };
      if (!isQuantity(column)) return { text: setting.rows.texts[row][fixed.indexOf(column.name)], best: false };
      const one = comparing.sample(setting, column.name, row);
      const fewer = one.n > 0 && one.n < n ? ` (n = ${one.n})` : "";
      return { text: writing.formatSpread(one.mean, one.std, column) + fewer, best: best.get(column.name) === row };
    });
    return { row, cells, values: columns.flatMap((column) => valuesOfRow(setting, column, row, ranks)) };
  }

  const number = (value) => (value === null ? null : writing.formatFloat(value));

  // The values of a column in table.csv: texts, and numbers in full precision.
  function valuesOfRow(setting, column, row, ranks) {
    if (column === RANK) return [ranks.has(row) ? String(ranks.get(row)) : null];
    const [name, dial, level, beta, norm, n] = setting.rows.csv[row];
    const fixed = { series: [writing.forCsv(name)], dial: [writing.forCsv(dial), number(level), number(beta)], beta_norm: [number(norm)], n: [String(n)] };
    if (!isQuantity(column)) return fixed[column.name];
    const one = comparing.sample(setting, column.name, row);
    return [number(one.mean), number(one.std), String(one.n)];
  }

  // A cell below its configuration: its seed in place of a name, and its own values.
  function lineOfCell(setting, columns, row, cell) {
    const { seed, status } = setting.cells[cell];
    const name = `seed ${seed}${status === "done" ? "" : ` ${status}`}`;
    const value = (column) => comparing.valueOfCell(setting, column.name, cell) ?? null;
    const cells = columns.map((column) => {
      if (isQuantity(column)) return { text: writing.format(value(column), column), best: false };
      return { text: column.name === "series" ? name : "", best: false };
    });
    const values = columns.flatMap((column) => {
      if (column.name === "series") return [writing.forCsv(`${setting.rows.csv[row][0]}, ${name}`)];
      const own = isQuantity(column) ? value(column) : null;
      return isQuantity(column) ? [number(own), null, own === null ? "0" : "1"] : column.csv.map(() => null);
    });
    return { row, cell, cells, values };
  }

  // ---- Drawing

  const status = page.make("p", { class: "status", "aria-live": "polite" });
  const controls = page.make("div", { class: "switches" });
  const hint = page.make("p", { class: "hint", id: "filter-hint", "aria-live": "polite" });
  const scroll = page.make("div", { class: "scroll wide", role: "region", tabindex: 0 });
  const more = page.make("p", {});
  const copied = page.make("textarea", { readonly: true, rows: 8, hidden: true, "aria-label": "The copied text" });

  function draw() {
    const shown = compose(state.most);
    const { setting, rows } = shown;
    const body = page.make("tbody", {}, shown.lines.map((line) => drawLine(shown, line)));
    const foot = shown.anchors.map((texts) => page.make("tr", { class: "anchor" },
      texts.map((text, place) => page.make(place ? "td" : "th", place ? {} : { scope: "row" }, text))));
    body.append(...foot, ...shown.published.map(drawPublished));
    const head = page.make("thead", {}, page.make("tr", {}, shown.columns.map(drawHead)));
    scroll.setAttribute("aria-label", `Table: ${setting.title}`);
    scroll.replaceChildren(page.make("table", { class: "values live" }, head, body));
    const hidden = Math.max(0, rows.length - state.most);
    more.replaceChildren(...(hidden ? [page.make("button", { type: "button",
      onclick: showAll }, `Show ${hidden.toLocaleString("en")} more`)] : []));
    status.textContent = describe(shown);
    hint.replaceChildren(...(shown.faults.length ? [`Not filtered by: ${shown.faults.join("; ")}.`] : explainFilter(setting)));
    hint.classList.toggle("wrong", shown.faults.length > 0);
    showSelected();
  }

  // Show all rows; the button for it is gone, so the focus goes to the first new one.
  function showAll() {
    const { most } = state;
    state.most = Infinity;
    draw();
    scroll.querySelectorAll("tr:not(.seed) > th > button.name")[most]?.focus();
  }

  // A published row below all others: it is not sorted, ranked, filtered or selected.
  function drawPublished(texts) {
    const parts = texts.map((text, place) => {
      const [figure, spread] = text.split(" ± ");
      return page.make(place ? "td" : "th", place ? {} : { scope: "row" }, figure,
        spread ? page.make("small", {}, `± ${spread}`) : null);
    });
    return page.make("tr", { class: "published" }, parts);
  }

  // Why rows have no rank by a quantity, with their numbers.
  function explainUnranked(setting, column, rows) {
    const samples = rows.map((row) => comparing.sample(setting, column.name, row));
    const reasons = [
      ["no value", ({ mean }) => mean === null],
      [`fewer than ${comparing.minSeeds} seeds`, ({ mean, n }) => mean !== null && n < comparing.minSeeds],
      ["no spread over seeds", ({ mean, std, n }) => mean !== null && std === null && n >= comparing.minSeeds],
    ].map(([reason, test]) => [reason, samples.filter(test).length]).filter(([, count]) => count);
    return reasons.map(([reason, count]) => `${count.toLocaleString("en")} ${count === 1 ? "has" : "have"} ${reason}`).join(", ");
  }

  function describe({ setting, rows, ranks, sorted }) {
    const all = setting.rows.label.length;
    const count = `${rows.length === all ? "All" : `${rows.length.toLocaleString("en")} of`} ${all.toLocaleString("en")} configurations`;
    if (sorted && !ranks) {
      return `${count}, sorted by ${sorted.label}.${sorted.better && rows.length ? ` None has a rank: ${explainUnranked(setting, sorted, rows)}.` : ""}`;
    }
    if (!ranks) return `${count}. Press the head of a column to sort by it; a score then gives ranks.`;
    const unranked = explainUnranked(setting, sorted, rows);
    return `${count}, sorted by ${sorted.label}. The rank is 1 + the number of shown configurations that the ordering rule puts above: ` +
      `equal ranks are not separated${unranked ? `. Without a rank (${writing.DASH}): ${unranked}` : ""}.`;
  }

  function drawHead(column) {
    if (column === RANK) return page.make("th", { scope: "col" }, "rank");
    const isSorted = state.sort === column.name;
    const arrow = isSorted ? (state.descending ? " \u25be" : " \u25b4") : "";
    const button = page.make("button", { type: "button", class: "bare sort", "data-column": column.name, onclick: () => sortBy(column) },
      column.head, page.make("span", { "aria-hidden": "true" }, arrow));
    const order = { "aria-sort": isSorted ? (state.descending ? "descending" : "ascending") : false };
    const mark = column.saturated
      ? page.make("span", { class: "saturated", title: `A baseline reaches the top: ${column.saturated}` }, "saturated") : null;
    return page.make("th", { scope: "col", ...order }, button, mark);
  }

  // First the best on top, then the worst, then the order of the store.
  function sortBy(column) {
    const first = isQuantity(column) && column.better !== "lower";
    if (state.sort !== column.name) [state.sort, state.descending] = [column.name, first];
    else if (state.descending === first) state.descending = !first;
    else state.sort = null;
    redraw();
  }

  // Draw again, and put the focus back to where it was.
  function redraw() {
    const { column, toggle } = document.activeElement?.dataset ?? {};
    draw();
    if (column) scroll.querySelector(`[data-column="${CSS.escape(column)}"]`)?.focus();
    if (toggle) scroll.querySelector(`[data-toggle="${toggle}"]`)?.focus();
  }

  function drawLine({ setting, columns }, line) {
    const { row, cell, cells } = line;
    const parts = cells.map(({ text, best }, place) => {
      const column = columns[place];
      if (column.name === "series") return drawName(setting, line, text);
      if (column.name === "n" && cell === undefined) return page.make("td", {}, drawToggle(setting, row, text));
      const [mean, spread] = text.split(" ± ");
      return page.make("td", { class: best ? "best" : false }, mean, spread ? page.make("small", {}, `± ${spread}`) : null);
    });
    return page.make("tr", {
      class: cell === undefined ? false : "seed", "data-row": row, "data-cell": cell ?? false,
      onclick: () => selectLine(setting, line),
    }, parts);
  }

  function drawName(setting, line, text) {
    const swatch = line.cell === undefined
      ? marks.swatch(setting, setting.rows.model[line.row], [setting.rows.shade[line.row]]) : null;
    return page.make("th", { scope: "row" }, page.make("button", { type: "button", class: "bare name",
      onclick: (event) => { event.stopPropagation(); selectLine(setting, line); } }, swatch, page.make("span", {}, text)));
  }

  function drawToggle(setting, row, text) {
    if (setting.cellsOfRow[row].length < 2) return text;
    const isOpen = state.unfolded.has(row);
    return page.make("button", {
      type: "button", class: "bare toggle", "data-toggle": row, "aria-expanded": String(isOpen),
      "aria-label": `${text} seeds of ${setting.rows.label[row]}`,
      onclick: (event) => {
        event.stopPropagation();
        if (isOpen) state.unfolded.delete(row);
        else state.unfolded.add(row);
        redraw();
      },
    }, text, page.make("span", { "aria-hidden": "true" }, isOpen ? " \u25be" : " \u25b8"));
  }

  // ---- Selection

  function selectLine(setting, { row, cell }) {
    if (cell === undefined) comparing.selectRow(setting, row, table);
    else page.select(setting.cells[cell].hash, table);
  }

  function showSelected() {
    for (const line of scroll.querySelectorAll("tr.selected")) line.classList.remove("selected");
    const found = comparing.locate(page.selected());
    if (!found || found.setting !== comparing.current()) return;
    for (const line of scroll.querySelectorAll(`tr[data-row="${found.row}"]`)) {
      const { cell } = line.dataset;
      line.classList.toggle("selected", cell === undefined || Number(cell) === found.cell);
    }
  }

  // Bring the row of the selected cell into view, whatever the filter and the number of rows.
  function reveal() {
    const { setting, row } = comparing.locate(page.selected());
    const find = () => scroll.querySelector(`tr.selected[data-row="${row}"] button.name`);
    if (!filter.parse(state.filter, setting).rows.includes(row)) search.value = state.filter = "";
    if (!find()) state.most = Infinity;
    draw();
    find().focus({ preventScroll: true });
    find().scrollIntoView({ block: "center" });
  }

  // ---- Controls

  const WRITERS = { LaTeX: writing.writeLatex, Markdown: writing.writeMarkdown, CSV: writing.writeCsv };

  function write(format) {
    return WRITERS[format](compose());
  }

  // Copy to the clipboard; where the browser does not let a page do so, show the text to copy by hand.
  async function copy(format) {
    copied.value = write(format);
    copied.hidden = true;
    const count = copied.value.split("\n").length - 1;
    try {
      await navigator.clipboard.writeText(copied.value);
      status.textContent = `Copied as ${format}: ${count.toLocaleString("en")} lines.`;
    } catch {
      copied.hidden = false;
      copied.focus();
      copied.select();
      status.textContent = `The browser does not let this page copy; the ${format} is selected below.`;
    }
  }

  const search = page.make("input", { type: "search", spellcheck: "false", autocapitalize: "off", "aria-describedby": "filter-hint",
    oninput: () => { state.filter = search.value; state.most = PAGE; draw(); } });
  const chooser = comparing.chooser("dataset");

  function buildColumns(setting) {
    const boxes = setting.columns.slice(1).map((column) => page.make("label", { class: "option" },
      page.make("input", {
        type: "checkbox", value: column.name, checked: !state.left.has(column.name),
        onchange: (event) => {
          if (event.target.checked) state.left.delete(column.name);
          else state.left.add(column.name);
          if (state.left.has(state.sort)) state.sort = null;
          draw();
        },
      }), page.make("span", {}, column.label ?? column.head)));
    const set = (names) => () => {
      state.left = new Set(names);
      if (state.left.has(state.sort)) state.sort = null;
      for (const box of boxes) box.firstChild.checked = !state.left.has(box.firstChild.value);
      draw();
    };
    const quick = [["all", []], ["only scores", setting.quantities.filter((one) => !one.is_score).map((one) => one.name)]]
      .map(([text, names]) => page.make("button", { type: "button", onclick: set(names) }, text));
    return page.make("details", { class: "picker" }, page.make("summary", {}, "columns"), page.make("div", {}, quick, boxes));
  }

  // What the filter takes, with examples of this table: a model, the dial of most values, a score.
  function explainFilter({ models: [model], rows, quantities, lead, values }) {
    const dials = new Map();
    for (const [, name, level] of rows.csv) if (name) dials.set(name, (dials.get(name) ?? new Set()).add(level));
    const middle = (numbers) => [...numbers].sort((one, other) => one - other)[Math.floor((numbers.size ?? numbers.length) / 2)];
    const [dial, levels] = [...dials].reduce((most, one) => (one[1].size > most[1].size ? one : most), [null, new Set()]);
    const score = lead ?? quantities[0]?.name;
    const known = score ? values[score].mean.filter((mean) => mean !== null) : [];
    const examples = [
      "baseline", `model: ${model.name}`, dial && `${dial} <= ${middle(levels)}`,
      known.length ? `${score} > ${Number(middle(known).toPrecision(2))}` : null,
    ].filter(Boolean);
    const list = examples.flatMap((text, number) => [number ? ", " : "", page.make("code", {}, text)]);
    return ["The filter takes words of a name, ", ...list, ". A row must match all of it."];
  }

  function buildControls(setting) {
    search.value = "";
    const unfold = page.make("button", { type: "button", onclick: () => {
      const rows = setting.cellsOfRow.flatMap((cells, row) => (cells.length > 1 ? [row] : []));
      state.unfolded = new Set(state.unfolded.size ? [] : rows);
      draw();
    } }, "unfold or fold seeds");
    const buttons = Object.keys(WRITERS).map((format) =>
      page.make("button", { type: "button", "data-format": format, onclick: () => copy(format) }, format));
    page.replace(controls, [
      chooser, page.make("label", {}, page.make("span", {}, "filter"), search), buildColumns(setting),
      setting.cells.length > setting.rows.label.length ? unfold : null,
      page.make("span", { class: "copies", role: "group", "aria-label": "Copy what is shown" }, "copy as", ...buttons),
    ].filter(Boolean));
  }

  function show(setting) {
    reset();
    buildControls(setting);
    copied.hidden = true;
    draw();
  }

  place.append(controls, hint, status, copied, scroll, more);
  place.hidden = false;
  still.hidden = true;
  show(comparing.current());
  comparing.onChoose(show);
  page.onSelect(showSelected);
  return { write, reveal };
})();
