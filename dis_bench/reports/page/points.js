"use strict";
// The points of the plane: which quantities it can show, where configurations and cells lie, and the front.
// A choice has a score, a loss (null without any), a scale ("fit", "full" or "normalised"), and a set of
// hidden models, by number.

const points = (() => {
  const isLoss = (column) => column.better === "lower" && ["reconstruction", "mse"].includes(column.name);

  function listLosses(setting) {
    return setting.quantities.filter(isLoss);
  }

  // What may go up: scores first; other quantities serve data without factors. What is in no ordering is left out.
  function listHeights(setting) {
    const others = setting.quantities.filter((column) => column.is_ordered && !isLoss(column));
    return [...others.filter((column) => column.is_score), ...others.filter((column) => !column.is_score)];
  }

  const LEAST_GAP = 1e-6; // between the scores of noise and of a perfect code; a smaller one is rounding

  // The full scale needs a range with two ends, the normalised one a perfect code that is better than noise.
  function listScales(column) {
    const bounded = column.range !== null && column.range.every((end) => end !== null);
    const sign = { higher: 1, lower: -1, "": 0 }[column.better];
    const anchored = column.perfect !== null && column.noise !== null && sign * (column.perfect - column.noise) > LEAST_GAP;
    return ["fit", ...(bounded ? ["full"] : []), ...(anchored ? ["normalised"] : [])];
  }

  // From values of the score to heights: as they are, or as shares of the way from noise to a perfect code.
  function toHeight({ score, scale }) {
    const { perfect, noise } = score;
    return scale === "normalised" ? (value) => (value - noise) / (perfect - noise) : (value) => value;
  }

  // Configurations that have the score, and their cells where there are several.
  function gather(setting, choice) {
    const { score, loss, hidden } = choice;
    const height = toHeight(choice);
    const { mean } = setting.values[score.name];
    const means = [];
    const cells = [];
    for (const [row, model] of setting.rows.model.entries()) {
      if (mean[row] === null || hidden.has(model)) continue;
      const x = loss ? setting.values[loss.name].mean[row] : null;
      means.push({ row, model, x, y: height(mean[row]), score: mean[row], shade: setting.rows.shade[row] });
      for (const cell of setting.cellsOfRow[row].length > 1 ? setting.cellsOfRow[row] : []) {
        const own = comparing.valueOfCell(setting, score.name, cell);
        const at = x === null ? null : comparing.valueOfCell(setting, loss.name, cell);
        if (own !== null && (at === null) === (x === null)) cells.push({ row, cell, model, x: at, y: height(own) });
      }
    }
    return { means, cells };
  }

  // Configurations that no other one beats in both means, from the best reconstruction on.
  function findFront(means, { score }) {
    if (!score.better) return [];
    const sign = score.better === "lower" ? -1 : 1;
    const placed = means.filter((point) => point.x !== null);
    placed.sort((one, other) => one.x - other.x || sign * (other.score - one.score));
    let best = -Infinity;
    return placed.filter((point) => {
      const isBetter = sign * point.score > best;
      best = Math.max(best, sign * point.score);
      return isBetter;
    });
  }

  function makeHeight(choice, all, from, to) {
    const ends = { fit: [], full: choice.score.range, normalised: [0, 1] }[choice.scale];
    const values = [...all.map((point) => point.y), ...ends];
    const domain = axes.extent(values.length ? values : [0, 1], ends.length ? 0.03 : 0.06);
    return axes.makeLinear(choice.scale === "fit" ? widen(choice.score, domain) : domain, from, to, 6);
  }

  // Widen a score's axis to a tenth of its range, so that noise looks small, but hardly beyond the range.
  function widen(score, [low, high]) {
    if (!listScales(score).includes("full")) return [low, high];
    const [bottom, top] = score.range;
    const span = Math.max(high - low, 0.1 * (top - bottom));
    const start = Math.min(Math.max((low + high - span) / 2, bottom - 0.04 * span), top - 0.96 * span);
    return [start, start + span];
  }

  // Lay out a plane of some size in pixels, and beside it a strip for models without the loss, a column each.
  // Each point gets its place: left and top.
  function layOut(setting, choice, width, height) {
    const { means, cells } = gather(setting, choice);
    const all = [...means, ...cells];
    const strip = [...new Set(means.filter((point) => point.x === null).map((point) => point.model))];
    const across = all.filter((point) => point.x !== null).map((point) => point.x);
    const frame = { left: 58, right: width - 14, top: 16, bottom: height - 50, width };
    const narrow = Math.min(Math.max(96, 22 * strip.length + 20), 0.35 * width);
    const edge = across.length ? frame.right - (strip.length ? narrow : 0) : frame.left;
    const end = edge - (strip.length ? 10 : 0);
    const axis = across.length ? axes.fit(across, frame.left, end, width > 600 ? 8 : 4) : null;
    const column = (frame.right - edge) / (strip.length || 1);
    const up = makeHeight(choice, all, frame.bottom, frame.top);
    for (const point of all) {
      point.left = point.x === null ? edge + column * (strip.indexOf(point.model) + 0.5) : axis.place(point.x);
      point.top = up.place(point.y);
    }
    return {
      setting, choice, means, cells, strip, axis, up, edge, ...frame,
      front: findFront(means, choice), radius: means.length > 400 ? 3.5 : 6,
    };
  }

  return { listLosses, listHeights, listScales, toHeight, layOut };
})();
