"use strict";
// What the plane and the table share: the setting that they show, its configurations, and the rule by
// which one configuration may be called better than another (dis_bench/reports/ordering.py).

const comparing = (() => {
  const { settings, min_seeds: minSeeds } = page.data.comparison;
  const listeners = [];
  let current = 0;

  for (const [number, setting] of settings.entries()) {
    setting.cells = page.data.settings[number].cells;
    setting.quantities = setting.columns.filter((column) => column.name in setting.values);
    setting.cellsOfRow = setting.rows.label.map(() => []);
    setting.row_of_cell.forEach((row, cell) => setting.cellsOfRow[row].push(cell));
  }

  function choose(number) {
    if (number === current) return;
    current = number;
    for (const listener of listeners) listener(settings[current]);
  }

  function sample(setting, quantity, row) {
    const { mean, std, n } = setting.values[quantity];
    return { mean: mean[row], std: std[row], n: n[row] };
  }

  // The value of one cell: that of its configuration if it is the only one.
  function valueOfCell(setting, quantity, cell) {
    const { cells, mean } = setting.values[quantity];
    if (cells) return cells[cell];
    return setting.cells.length === setting.rows.label.length ? mean[setting.row_of_cell[cell]] : null;
  }

  // True if the rule separates two samples; their order is then that of their means.
  function isSeparated(first, second) {
    if (Math.min(first.n, second.n) < minSeeds || first.std === null || second.std === null) return false;
    const rounding = 1e-9 * Math.max(Math.abs(first.mean), Math.abs(second.mean));
    return Math.abs(first.mean - second.mean) > Math.max(Math.hypot(first.std, second.std), rounding);
  }

  // Rank rows by a quantity, best first: 1 + the number of rows that the rule puts above. Rows that it cannot
  // judge, with fewer seeds than it needs, have no rank.
  function rank(setting, column, rows) {
    const sign = column.better === "lower" ? -1 : 1;
    const ranks = new Map();
    const judged = rows
      .map((row) => ({ row, ...sample(setting, column.name, row) }))
      .filter(({ mean, std, n }) => column.better && mean !== null && std !== null && n >= minSeeds);
    for (const one of judged) {
      const above = judged.filter((other) => sign * (other.mean - one.mean) > 0 && isSeparated(one, other));
      ranks.set(one.row, 1 + above.length);
    }
    return ranks;
  }

  // Return the row that may be called the best of several, or null.
  function findBest(setting, column, rows) {
    if (!column.better) return null;
    const sign = column.better === "lower" ? -1 : 1;
    const measured = rows.filter((row) => setting.values[column.name].mean[row] !== null);
    if (measured.length < 2) return null;
    const mean = (row) => sign * setting.values[column.name].mean[row];
    const best = measured.reduce((top, row) => (mean(row) > mean(top) ? row : top));
    const top = sample(setting, column.name, best);
    const isBest = measured.every((row) => row === best || isSeparated(top, sample(setting, column.name, row)));
    return isBest ? best : null;
  }

  // Find a cell by its hash in the setting that is shown, else in another one.
  function locate(hash) {
    const order = [settings[current], ...settings];
    for (const setting of hash === null ? [] : order) {
      const cell = setting.cells.findIndex((one) => one.hash === hash);
      if (cell >= 0) return { setting, cell, row: setting.row_of_cell[cell] };
    }
    return null;
  }

  // Select a configuration: its first finished cell, which pictures show, too.
  function selectRow(setting, row, by) {
    const cells = setting.cellsOfRow[row].map((cell) => setting.cells[cell]);
    page.select((cells.find((cell) => cell.status === "done") ?? cells[0]).hash, by);
  }

  page.onSelect((hash) => {
    const found = locate(hash);
    if (found) choose(settings.indexOf(found.setting));
  });

  // A control that chooses the setting; null if there is only one.
  function chooser(label) {
    if (settings.length < 2) return null;
    const options = settings.map((setting, number) => page.make("option", { value: number }, setting.title));
    const select = page.make("select", { name: "setting", onchange: () => choose(Number(select.value)) }, options);
    listeners.push(() => { select.value = current; });
    return page.make("label", {}, page.make("span", {}, label), select);
  }

  return {
    settings, sample, valueOfCell, isSeparated, rank, findBest, locate, selectRow, choose, chooser, minSeeds,
    current: () => settings[current],
    onChoose: (listener) => listeners.push(listener),
  };
})();
