"use strict";
// What each latent knows: a row per latent, with its traversal and what it shares with each factor.

const knowledge = (() => {
  const { make } = page;
  const section = document.getElementById("knowledge");
  const known = models.all.filter((model) => model.cell.knows);
  if (!section || known.length === 0) return {};
  section.hidden = false;
  for (const link of document.querySelectorAll('a[href="#knowledge"]')) link.hidden = false;

  const SHOWN = 7; // images of a traversal
  const INFORMATION = "mutual information";
  let model = null, measure = INFORMATION;

  const measures = make("select", { "aria-label": "Measure", onchange: () => { measure = measures.value; fill(); } });
  const title = make("strong", {});
  const table = make("table", { class: "matrix" });
  section.append(
    make("p", { class: "choice" }, title, make("label", {}, "Shade: ", measures)),
    make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "What each latent knows" }, table));

  function show(hash) {
    const found = known.find((one) => one.cell.hash === hash);
    if (!found) return;
    model = found;
    const { label, seed, knows } = model.cell;
    title.textContent = `${label}, seed ${seed}`;
    const names = [INFORMATION, ...Object.keys(knows.importances)];
    measures.replaceChildren(...names.map((name) =>
      make("option", { value: name }, name === INFORMATION ? "mutual information" : `importance (${name})`)));
    measure = names.includes(measure) ? measure : INFORMATION;
    measures.value = measure;
    fill();
  }

  function fill() {
    const { knows, kl } = model.cell;
    const matrix = measure === INFORMATION ? knows.information : knows.importances[measure];
    const head = make("tr", {}, make("th", { scope: "col" }, "latent"),
      make("th", { scope: "col", class: "strip" }, "its traversal"),
      knows.factors.map((name) => make("th", { scope: "col" }, name)));
    const rows = model.order.map((latent) => {
      const strip = make("canvas", { class: "strip", role: "img", "aria-label": `Traversal of z${latent}` });
      const nats = kl ? make("small", {}, ` ${kl[latent] < 0.1 ? kl[latent].toFixed(3) : kl[latent].toFixed(2)} nats`) : null;
      drawStrip(strip, model, latent);
      return make("tr", { class: model.isFrozen(latent) ? "frozen" : null },
        make("th", { scope: "row" }, `z${latent}`, nats), make("td", { class: "strip" }, strip),
        matrix[latent].map((value) => shade(make("td", {}, value.toFixed(2)), value)));
    });
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, rows), ...listScores(knows));
  }

  // The scores of which the means are in the table of results: a factor that is lost has a low one.
  function listScores({ scores, factors }) {
    const rows = Object.entries(scores).map(([name, values]) =>
      make("tr", {}, make("th", { scope: "row", colspan: 2 }, name),
        values.map((value) => shade(make("td", {}, value.toFixed(2)), value))));
    if (rows.length === 0) return [];
    const title = make("th", { scope: "rowgroup", colspan: 2 + factors.length }, "scores of single factors");
    return [make("tbody", { class: "scores" }, make("tr", {}, title), rows)];
  }

  function shade(cell, value) {
    cell.style.setProperty("--share", Math.max(0, Math.min(1, value)));
    cell.classList.toggle("strong", value > 0.5);
    return cell;
  }

  // Draw the images of a latent side by side, when the browser has time for it.
  async function drawStrip(canvas, of, latent) {
    await of.load();
    const { width, height, cell } = of, one = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * SHOWN, height];
    for (let n = 0; n < SHOWN; n++) {
      await new Promise((resume) => setTimeout(resume));
      if (of !== model) return;
      const code = [...cell.base];
      code[latent] = cell.low[latent] + ((cell.high[latent] - cell.low[latent]) * n) / (SHOWN - 1);
      of.draw(one, { code, moved: latent });
      canvas.getContext("2d").drawImage(one, n * width, 0);
    }
  }

  page.onSelect(show);
  show((play.panels[0]?.model ?? known[0]).cell.hash);
  if (!model) show(known[0].cell.hash);
  return { show };
})();
