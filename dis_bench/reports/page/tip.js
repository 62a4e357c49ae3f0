"use strict";
// The words on a configuration or a cell of the plane: its name, values and folder.

const tip = (() => {
  const MOST = 9; // values; the table has all

  // Tell a configuration (a row), or one of its cells: its name, its seeds, its values and where it is kept.
  function tell({ setting, choice }, { row, cell }) {
    const isCell = cell !== undefined;
    const named = [choice.loss, choice.score, ...setting.quantities.filter((column) => column.is_score)];
    const columns = [...new Set(named.filter((column) => column !== null))];
    const values = columns.map((column) => [column, isCell ? ofCell(setting, column, cell) : ofRow(setting, column, row)]);
    const cells = setting.cellsOfRow[row].map((number) => setting.cells[number]);
    const done = cells.filter((one) => one.status === "done");
    const one = isCell ? setting.cells[cell] : done[0] ?? cells[0];
    const isMean = !isCell && done.length > 1;
    return {
      name: setting.rows.label[row],
      seeds: isMean ? `mean of ${done.length} seeds` : `seed ${one.seed}`,
      values: values.filter(([, text]) => text !== null),
      folder: `${one.folder}${isMean ? ` and ${done.length - 1} more` : ""}`,
    };
  }

  function ofRow(setting, column, row) {
    const { mean, std, n } = comparing.sample(setting, column.name, row);
    const fewer = n < setting.rows.n[row] ? ` (n = ${n})` : "";
    return mean === null ? null : writing.formatSpread(mean, std, column) + fewer;
  }

  function ofCell(setting, column, cell) {
    const value = comparing.valueOfCell(setting, column.name, cell);
    return value === null ? null : writing.format(value, column);
  }

  function draw(drawn, item) {
    const { name, seeds, values, folder } = tell(drawn, item);
    const rows = values.slice(0, MOST).map(([column, text]) =>
      page.make("tr", {}, page.make("th", { scope: "row" }, column.label), page.make("td", {}, text)));
    const shade = drawn.setting.rows.shade[item.row];
    return [
      page.make("p", { class: "tip-name" }, marks.swatch(drawn.setting, item.model, [shade]), name),
      page.make("p", {}, seeds),
      page.make("table", {}, page.make("tbody", {}, rows)),
      ...(values.length > MOST ? [page.make("p", {}, `${values.length - MOST} more in the table`)] : []),
      page.make("p", { class: "tip-folder" }, folder),
    ];
  }

  // Say it in a sentence.
  function say(drawn, item) {
    const { name, seeds, values } = tell(drawn, item);
    return `${name}, ${seeds}: ${values.map(([column, text]) => `${column.label} ${text}`).join(", ")}.`;
  }

  // Describe what is on the plane.
  function describe({ setting, choice, means, front }) {
    const { score } = choice;
    const names = front.map((point) => setting.rows.label[point.row]);
    const some = names.slice(0, 6).join("; ") + (names.length > 6 ? `; and ${names.length - 6} more` : "");
    const shown = new Set(means.map((point) => point.model));
    const unmeasured = setting.models.filter((_, number) => !shown.has(number) && !choice.hidden.has(number)).map((model) => model.name);
    const shades = new Set(means.map((point) => point.shade)).size > 1;
    return [
      "Colour and shape are the model; a mark is the mean over the seeds of a configuration, a dot one cell.",
      shades ? "The higher the dial, the darker the mark (lighter in the dark scheme)." : "",
      setting.models.some((model) => model.baseline) ? "Hollow marks are baselines." : "",
      names.length > 1
        ? `The stepped line is the Pareto front, the configurations that no other beats in both means: ${some}.` : "",
      unmeasured.length ? `Not shown, without ${score.label}: ${unmeasured.join(", ")}.` : "",
      score.saturated
        ? `${score.label} is saturated by ${score.saturated}: it says little about which model is better.` : "",
    ].filter(Boolean).join(" ");
  }

  return { tell, draw, say, describe };
})();
