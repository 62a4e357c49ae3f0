"use strict";
// The look of models: a colour and a shape for each, darker along the dial, hollow for baselines.

const marks = (() => {
  const HUES = 8; // of the style sheet; with nine shapes, 72 models look different
  const turn = (corners, start, inner = 1) =>
    Array.from({ length: inner === 1 ? corners : 2 * corners }, (_, number) => {
      const angle = start + (2 * Math.PI * number) / (inner === 1 ? corners : 2 * corners);
      const size = number % 2 && inner !== 1 ? inner : 1;
      return [size * Math.sin(angle), -size * Math.cos(angle)];
    });
  const cross = [[-1, -3], [1, -3], [1, -1], [3, -1], [3, 1], [1, 1], [1, 3], [-1, 3], [-1, 1], [-3, 1], [-3, -1], [-1, -1]];
  const tilt = ([x, y]) => [(x - y) * Math.SQRT1_2, (x + y) * Math.SQRT1_2];
  // Corners of each shape in units of a mark's radius, chosen to look equally large; null is a circle.
  const SHAPES = [
    null,
    turn(4, Math.PI / 4).map(([x, y]) => [1.2 * x, 1.2 * y]),
    turn(3, 0).map(([x, y]) => [1.3 * x, 1.3 * y + 0.2]),
    turn(4, 0).map(([x, y]) => [1.25 * x, 1.25 * y]),
    turn(3, Math.PI).map(([x, y]) => [1.3 * x, 1.3 * y - 0.2]),
    cross.map(([x, y]) => [0.38 * x, 0.38 * y]),
    turn(5, 0, 0.45).map(([x, y]) => [1.4 * x, 1.4 * y]),
    cross.map(tilt).map(([x, y]) => [0.38 * x, 0.38 * y]),
    [[-1.1, -1.2], [1.1, -1.2], [0.35, 0], [1.1, 1.2], [-1.1, 1.2], [-0.35, 0]], // an hourglass
  ];
  const round = (number) => Math.round(100 * number) / 100;

  // The outline of a model's mark with its centre at (x, y), as a part of an SVG path.
  function outline(model, x, y, radius) {
    const corners = SHAPES[model % SHAPES.length];
    if (corners === null) {
      const arc = `a${radius} ${radius} 0 1 0`;
      return `M${round(x - radius)} ${round(y)}${arc}${2 * radius} 0${arc}${-2 * radius} 0Z`;
    }
    return `M${corners.map(([dx, dy]) => `${round(x + radius * dx)} ${round(y + radius * dy)}`).join("L")}Z`;
  }

  // Give an element a model's colour, at a shade from 0 to 1.
  function colour(element, model, shade = 0) {
    element.style.setProperty("--hue", `var(--hue${model % HUES})`);
    element.style.setProperty("--share", `${Math.round(50 * shade)}%`);
    element.dataset.model = model;
    return element;
  }

  function path(setting, model, shade, outlines) {
    const hollow = setting.models[model].baseline ? " hollow" : "";
    return colour(page.make("svg:path", { class: `mark${hollow}`, d: outlines }), model, shade);
  }

  // A small picture of a model's marks, one for each shade.
  function swatch(setting, model, shades = [0]) {
    const width = 4 + 14 * shades.length;
    const drawn = shades.map((shade, number) => path(setting, model, shade, outline(model, 9 + 14 * number, 8, 5)));
    return page.make("svg:svg", { class: "swatch", width, height: 16, "aria-hidden": "true" }, drawn);
  }

  return { outline, colour, path, swatch };
})();
