"use strict";
// Play: latents as sliders beside the images that two models make of them, in step.

const play = (() => {
  const { make } = page;
  const section = document.getElementById("play");
  if (!section || models.all.length === 0) return { panels: [] };
  section.hidden = false;
  for (const link of document.querySelectorAll('a[href="#play"]')) link.hidden = false;

  const count = Math.max(...models.all.map((model) => model.cell.count));
  const state = { from: 0, to: Math.min(1, count - 1), share: 0 };
  let animation = null;

  // A panel: one model, its image, its sliders. Its pose is what the image shows; its origin is the code
  // that sliders started from.
  class Panel {
    constructor(number) {
      this.number = number;
      this.canvas = make("canvas", { class: "decoded", role: "img" });
      this.note = make("p", { class: "note" });
      this.sliders = make("div", { class: "latents" });
      this.models = make("select", { "aria-label": `Model ${number + 1}`, onchange: () => this.choose() });
      this.seeds = make("select", { "aria-label": `Seed of model ${number + 1}`, onchange: () => this.choose() });
      this.element = make("div", { class: "panel" },
        make("p", { class: "choice", hidden: models.all.length === 1 }, this.models, " ", this.seeds),
        this.canvas, this.note, this.sliders);
      for (const [title, labels] of listLabels()) {
        const options = labels.map((label) => make("option", { value: `${title}\n${label}` }, label));
        this.models.append(...(listLabels().size > 1 ? [make("optgroup", { label: title }, options)] : options));
      }
    }

    choose() {
      const same = listSeeds(this.models.value);
      const model = same.find((one) => String(one.cell.seed) === this.seeds.value) ?? same[0];
      this.show(model);
      page.select(model.cell.hash, this);
    }

    async show(model) {
      this.model = model;
      const label = labelOf(model), same = listSeeds(label);
      this.models.value = label;
      this.seeds.replaceChildren(...same.map((one) => make("option", { value: one.cell.seed }, `seed ${one.cell.seed}`)));
      this.seeds.value = model.cell.seed;
      this.describe();
      this.makeSliders();
      enable();
      this.start(true);
      if (this.number === 0) fillThumbs(model);
      await model.load();
      this.draw();
    }

    describe() {
      const { cell, isLive } = this.model;
      const score = cell.score ? `${cell.score}. ` : "";
      if (isLive) this.note.replaceChildren(score, "Decoded in this page.");
      else {
        this.note.replaceChildren(score, `Shown from ${cell.stops} pictures of each latent, one latent at a time`,
          cell.page ? "; " : `, as ${cell.why}.`,
          cell.page ? make("a", { href: cell.page }, "decode all of them together") : "", cell.page ? "." : "");
      }
    }

    makeSliders() {
      const { cell, order } = this.model;
      this.inputs = [];
      const largest = cell.kl ? Math.max(0.1, ...cell.kl) : 0;
      const whose = make("p", { class: "whose" }, `${cell.label}, seed ${cell.seed}`);
      this.sliders.replaceChildren(whose, ...order.map((latent) => {
        const id = `latent-${this.number}-${latent}`, frozen = this.model.isFrozen(latent);
        const range = cell.high[latent] - cell.low[latent];
        const input = make("input", {
          id, type: "range", min: cell.low[latent], max: cell.high[latent], step: range / 200,
          "aria-describedby": `${id}-note`, oninput: () => { stop(); move(this, latent, Number(input.value)); },
        });
        const output = make("output", { for: id });
        this.inputs[latent] = { input, output };
        const note = make("span", { id: `${id}-note`, class: "nats" }, describeLatent(this.model, latent));
        if (cell.kl) note.style.setProperty("--share", cell.kl[latent] / largest);
        return make("div", { class: frozen ? "latent frozen" : "latent" },
          make("label", { for: id }, `z${latent}`), input, output, note);
      }));
    }

    // Take the pose that the images to start from and to go to say; a sheet shows the nearer of them.
    start(always = false) {
      const { cell } = this.model;
      const nearer = state.share < 0.5 ? state.from : state.to;
      if (!cell.codes) this.pose = { code: [...cell.base], start: nearer, moved: null };
      else {
        const [from, to] = [cell.codes[state.from] ?? cell.base, cell.codes[state.to] ?? cell.base];
        const code = from.map((value, d) => value + state.share * (to[d] - value));
        this.pose = { code, start: nearer, moved: null };
      }
      this.origin = [...this.pose.code];
      if (!always) this.draw();
      this.follow();
    }

    setCode(code) {
      this.pose = { code, start: null, moved: null };
      this.origin = [...code];
      this.follow();
      this.draw();
    }

    set(latent, value) {
      // A sheet holds one latent at a time, around its base.
      if (!this.model.isLive && this.pose.moved !== latent) this.pose.code = [...this.model.cell.base];
      this.pose.code[latent] = value;
      this.pose.moved = latent;
      this.follow();
      this.draw();
    }

    // Bring the sliders to the pose.
    follow() {
      this.pose.code.forEach((value, latent) => {
        const { input, output } = this.inputs[latent];
        input.value = value;
        output.value = writeNumber(value);
        input.setAttribute("aria-valuetext", output.value);
      });
      factors.follow();
    }

    // Draw with the next frame, however often the pose changes before it.
    draw() {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = null;
        if (!this.model.decode && !this.model.sheet) return; // it draws when it has loaded
        this.model.draw(this.canvas, this.pose);
        const { moved, code } = this.pose;
        const what = moved === null ? "" : `, z${moved} at ${writeNumber(code[moved])}`;
        this.canvas.setAttribute("aria-label", `Image decoded by ${this.model.cell.label}, seed ${this.model.cell.seed}${what}`);
      });
    }
  }

  function writeNumber(value) {
    return value.toFixed(2).replace(/^-(?!0\.00$)/, "−").replace("-", "");
  }

  function labelOf({ cell }) {
    return `${titleOf(cell)}\n${cell.label}`;
  }

  function titleOf(cell) {
    return (page.data.settings ?? []).find((setting) => setting.slug === cell.setting)?.title ?? "";
  }

  // List the labels of models by the title of their setting.
  function listLabels() {
    const labels = new Map();
    for (const { cell } of models.all) {
      const title = titleOf(cell), some = labels.get(title) ?? [];
      if (!some.includes(cell.label)) some.push(cell.label);
      labels.set(title, some);
    }
    return labels;
  }

  function listSeeds(label) {
    return models.all.filter((model) => labelOf(model) === label);
  }

  function describeLatent(model, latent) {
    const { kl } = model.cell, best = instep.findFactor(model, latent);
    const nats = kl === null ? [] : [`${kl[latent] < 0.1 ? kl[latent].toFixed(3) : kl[latent].toFixed(2)} nats`];
    return [...nats, ...(model.isFrozen(latent) ? ["frozen"] : best === null ? [] : [best])].join(" · ");
  }

  function move(panel, latent, value) {
    panel.set(latent, value);
    const other = panels[1 - panel.number];
    const partner = other && inStep.checked && !inStep.disabled ? instep.findPartner(panel.model, latent, other.model) : null;
    if (!partner) return;
    const [its, turn] = partner;
    const steps = (value - panel.origin[latent]) / instep.stepOf(panel.model, latent);
    other.set(its, other.model.clip(its, other.origin[its] + turn * steps * instep.stepOf(other.model, its)));
  }

  // Run through values of one slider after another: there, back and home, each for as long as it is far.
  function* walk() {
    for (;;) {
      const panel = panels[0], { order, cell } = panel.model;
      for (const latent of order.filter((one) => !panel.model.isFrozen(one))) {
        const home = panel.origin[latent], reach = cell.high[latent] - cell.low[latent];
        let from = home;
        for (const to of [cell.high[latent], cell.low[latent], home]) {
          const steps = Math.max(1, Math.round((90 * Math.abs(to - from)) / reach));
          for (let step = 1; step <= steps; step++) {
            move(panel, latent, from + ((to - from) * step) / steps);
            yield;
          }
          from = to;
        }
      }
      yield;
    }
  }

  function* blend() {
    for (let share = state.share < 1 ? state.share : 0; share < 1; share += 0.01) {
      setShare(share);
      yield;
    }
    setShare(1);
  }

  function stop() {
    if (animation) cancelAnimationFrame(animation.frame);
    if (animation) animation.button.setAttribute("aria-pressed", "false");
    animation = null;
  }

  function animate(button, steps) {
    const again = animation?.button === button;
    stop();
    if (again) return;
    animation = { button };
    button.setAttribute("aria-pressed", "true");
    const running = animation;
    const next = () => {
      if (steps.next().done) return stop();
      if (animation === running) running.frame = requestAnimationFrame(next);
    };
    running.frame = requestAnimationFrame(next);
  }

  function setShare(share) {
    state.share = share;
    between.value = share;
    between.setAttribute("aria-valuetext", `${Math.round(100 * share)} % of the way`);
    for (const panel of panels) panel.start();
  }

  // The same draw for both, by rank.
  function sample() {
    stop();
    const draws = Array.from({ length: Math.max(...panels.map((panel) => panel.model.latents)) }, () => {
      return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    });
    for (const panel of panels) {
      const { model } = panel;
      if (!canSample(model)) continue;
      const code = [];
      model.order.forEach((latent, rank) => { code[latent] = model.clip(latent, draws[rank]); });
      panel.setCode(code);
    }
  }

  // A row of the real images, as a group of radio buttons.
  function makeThumbs(legend, name, chosen, choose) {
    const group = make("fieldset", { class: "thumbs" }, make("legend", {}, legend));
    for (let n = 0; n < count; n++) {
      const canvas = make("canvas", { "aria-hidden": "true" });
      const input = make("input", { type: "radio", name, value: n, checked: n === chosen,
        "aria-label": `image ${n + 1}`, onchange: () => { stop(); choose(n); } });
      group.append(make("label", {}, input, canvas));
    }
    return group;
  }

  // A decoder with a prior, which is known where there is a KL.
  function canSample(model) {
    return model.isLive && model.cell.kl !== null;
  }

  // Offer only what the models can do.
  function enable() {
    inStep.disabled = !factors.build();
    stepWords.textContent = inStep.disabled ? " In step (no factors are known of both)" : " In step";
    sampler.disabled = !panels.some(({ model }) => model && canSample(model));
    sampler.title = sampler.disabled ? "Only a decoder in this page whose latents have a prior can be sampled." : "";
    blender.disabled = between.disabled = !panels.some(({ model }) => model?.cell.codes);
  }

  async function fillThumbs(model) {
    const strip = await models.loadImage(models.originals[model.cell.originals]);
    for (const group of thumbs) {
      group.querySelectorAll("canvas").forEach((canvas, n) => {
        [canvas.width, canvas.height] = [model.width, model.height];
        model.cut(canvas.getContext("2d"), strip, n, 0);
      });
    }
  }

  const thumbs = [
    makeThumbs("Start from", "play-from", state.from, (n) => { state.from = n; setShare(0); }),
    makeThumbs("Go to", "play-to", state.to, (n) => { state.to = n; setShare(state.share || 1); }),
  ];
  const between = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0,
    "aria-label": "Between the two images", oninput: () => { stop(); setShare(Number(between.value)); } });
  const inStep = make("input", { type: "checkbox", checked: true });
  const walker = make("button", { type: "button", "aria-pressed": "false", onclick: () => animate(walker, walk()) },
    "Play");
  const blender = make("button", { type: "button", "aria-pressed": "false",
    onclick: () => animate(blender, blend()) }, "Go there");
  const sampler = make("button", { type: "button", onclick: sample }, "Sample from the prior");
  const home = make("button", { type: "button", onclick: () => { stop(); setShare(0); } }, "Start over");

  const shown = (page.data.play.shown ?? []).map(models.find).filter(Boolean);
  const panels = (shown.length ? shown : models.all.slice(0, 2)).map((_, number) => new Panel(number));
  const factors = new instep.Factors(panels, stop);
  const stepWords = make("span", {}, " In step");
  const stepper = panels.length > 1 ? make("label", { class: "switch" }, inStep, stepWords) : null;
  section.append(
    make("div", { class: "controls" },
      thumbs[0],
      make("div", { class: "between" }, between, blender),
      thumbs[1],
      make("div", { class: "buttons" }, walker, sampler, home, stepper)),
    factors.element,
    make("div", { class: "panels" }, panels.map((panel) => panel.element)));

  panels.forEach((panel, number) => panel.show(shown[number] ?? models.all[number]));
  page.onSelect((hash, by) => {
    const model = models.find(hash);
    if (model && !panels.includes(by) && panels.every((panel) => panel.model !== model)) {
      stop();
      panels[0].show(model);
    }
  });

  return { panels, state, factors };
})();
