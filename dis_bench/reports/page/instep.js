"use strict";
// Two models in step: which latents of them know the same factor, and sliders that move a factor in both.

const instep = (() => {
  const { make } = page;
  const LEAST = 0.05; // of a factor's entropy; a latent that knows less does not know the factor
  const REACH = 3; // of a factor's slider, in both directions, in standard deviations of the prior

  // What a latent knows of each factor. The codes of a frozen one may still follow a factor, in differences
  // that the decoder does not see: it knows nothing.
  function listKnown(model, latent) {
    const known = model.cell.knows.information[latent];
    return model.isFrozen(latent) ? known.map(() => 0) : known;
  }

  // The factor that a latent knows best; null if it knows none.
  function findFactor(model, latent) {
    if (!model.cell.knows) return null;
    const known = listKnown(model, latent);
    const place = known.indexOf(Math.max(...known));
    return known[place] < LEAST ? null : model.cell.knows.factors[place];
  }

  // The latent that knows a factor best: { latent, share, direction }; null if none knows it.
  function findLatent(model, factor) {
    const { factors, directions } = model.cell.knows ?? { factors: [] };
    const place = factors.indexOf(factor);
    if (place < 0) return null;
    const of = directions.map((_, latent) => listKnown(model, latent)[place]);
    const share = Math.max(...of), latent = of.indexOf(share);
    return share < LEAST ? null : { latent, share, direction: directions[latent][place] || 1 };
  }

  // The latent of another model that knows best what this one knows, and its direction: [latent, 1 or -1];
  // null if there is none.
  function findPartner(model, latent, other) {
    const factor = findFactor(model, latent), partner = factor && findLatent(other, factor);
    if (!partner) return null;
    const own = model.cell.knows.directions[latent][model.cell.knows.factors.indexOf(factor)] || 1;
    return [partner.latent, own * partner.direction];
  }

  // The factors that all models were compared with, in the order of the first.
  function listShared([first, ...others]) {
    const factors = first.cell.knows?.factors ?? [];
    return factors.filter((name) => others.every((model) => model.cell.knows?.factors.includes(name)));
  }

  // A step of a latent: a standard deviation of its prior, or else a sixth of its range.
  function stepOf({ cell }, latent) {
    return cell.kl ? 1 : (cell.high[latent] - cell.low[latent]) / (2 * REACH);
  }

  // Sliders of the factors that two panels share; they are hidden where there are none.
  class Factors {
    constructor(panels, onMove) {
      Object.assign(this, { panels, onMove, sliders: [] });
      this.rows = make("div", { class: "factors" });
      this.element = make("fieldset", { class: "shared", hidden: true },
        make("legend", {}, "Move a factor: in each model, the latent that knows most of it (%)"), this.rows);
    }

    // Make the sliders of the models that are shown now; return whether there are any.
    build() {
      const models = this.panels.map((panel) => panel.model);
      const factors = models.every(Boolean) && models.length > 1 ? listShared(models) : [];
      this.sliders = factors.map((factor, number) => this.makeSlider(number, factor, models.map((model) => findLatent(model, factor))));
      this.rows.replaceChildren(...this.sliders.map(({ row }) => row));
      this.element.hidden = factors.length === 0;
      return factors.length > 0;
    }

    makeSlider(number, factor, found) {
      const id = `factor-${number}`;
      const input = make("input", { type: "range", id, min: -REACH, max: REACH, step: 0.05, value: 0,
        disabled: found.every((one) => one === null), "aria-describedby": `${id}-note`,
        oninput: () => this.move(found, Number(input.value)) });
      const says = found.map((one) => (one ? `z${one.latent} ${Math.round(100 * one.share)} %` : "lost")).join(" \u00b7 ");
      const note = make("span", { class: "nats", id: `${id}-note` }, says);
      return { found, input, row: make("div", { class: "latent factor" }, make("label", { for: id }, factor), input, note) };
    }

    move(found, value) {
      this.onMove();
      this.panels.forEach((panel, number) => {
        if (!found[number]) return;
        const { latent, direction } = found[number];
        const moved = panel.origin[latent] + direction * value * stepOf(panel.model, latent);
        panel.set(latent, panel.model.clip(latent, moved));
      });
    }

    // Bring the sliders to the pose of the first model that knows the factor.
    follow() {
      for (const { found, input } of this.sliders) {
        const number = found.findIndex(Boolean), { latent, direction } = found[number] ?? {};
        const { pose, origin, model } = this.panels[Math.max(0, number)];
        const value = number < 0 ? 0 : (direction * (pose.code[latent] - origin[latent])) / stepOf(model, latent);
        input.value = value;
        const unit = model.cell.kl ? "standard deviations" : "sixths of the range";
        input.setAttribute("aria-valuetext", `${value.toFixed(1)} ${unit}`.replace("-", "\u2212"));
      }
    }
  }

  return { findFactor, findLatent, findPartner, stepOf, Factors };
})();
