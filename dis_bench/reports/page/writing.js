"use strict";
// Numbers and texts as the files beside the page have them: table.md, table.tex and table.csv.
// The rules of escaping come from Python as data, so that there is one list of them.

const writing = (() => {
  const { escape: rules, latex_start: latexStart } = page.data.comparison;
  const hidden = new RegExp(rules.hidden, "gu");
  const formula = new RegExp(rules.formula, "gu");
  const DASH = "\u2013";
  const MINUS = "\u2212";

  // Round as Python does: a number halfway between two texts becomes the even one.
  function fixedSize(size, digits) {
    if (size >= 1e21) return BigInt(size) + (digits ? `.${"0".repeat(digits)}` : "");
    const halves = size * 2 ** (digits + 1); // odd only for such a number, and exact
    if (halves % 2 !== 1) return size.toFixed(digits);
    const below = (BigInt(halves) * 5n ** BigInt(digits) - 1n) / 2n;
    const even = String(below % 2n ? below + 1n : below).padStart(digits + 1, "0");
    return digits ? `${even.slice(0, -digits)}.${even.slice(-digits)}` : even;
  }

  // The same with its sign, unless it is rounded to zero.
  function fixed(value, digits) {
    const text = fixedSize(Math.abs(value), digits);
    return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
  }

  function format(value, column) {
    return value === null ? DASH : fixed(value, column.digits);
  }

  // A mean with its spread, "0.312 ± 0.041", or alone if it has none.
  function formatSpread(mean, spread, column) {
    return spread === null ? format(mean, column) : `${format(mean, column)} ± ${format(spread, column)}`;
  }

  // Write a float in full precision, as Python's repr.
  function formatFloat(value) {
    const [digits, power] = value.toExponential().split("e");
    if (value !== 0 && (power < -4 || power >= 16)) {
      return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
    }
    return Number.isInteger(value) ? `${value}.0` : String(value);
  }

  function spell(character) {
    const short = { "\t": "\\t", "\n": "\\n", "\r": "\\r" }[character];
    const code = character.codePointAt(0);
    const hex = (length) => code.toString(16).padStart(length, "0");
    if (short) return short;
    return code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
  }

  function visible(text) {
    return text.replace(hidden, spell);
  }

  function forMarkdown(text) {
    const escaped = [...visible(text)].map((character) => rules.markdown[character] ?? character).join("");
    return escaped.replace(/(?<![\p{L}\p{N}_])www\./giu, (match) => `${match.slice(0, -1)}\\.`);
  }

  function forLatex(text) {
    return [...visible(text).normalize("NFC")].map(escapeForLatex).join("");
  }

  function escapeForLatex(character) {
    if (character in rules.latex) return rules.latex[character];
    if (character <= "\x7f") return character;
    const [letter, accent, ...rest] = character.normalize("NFD");
    if (!rest.length && /^[A-Za-z]$/.test(letter) && accent in rules.accents) {
      return `\\${rules.accents[accent]}{${letter}}`;
    }
    return forLatex(spell(character));
  }

  function forCsv(text) {
    const safe = visible(text).replace(formula, "$1'");
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  // The writers take a table as it is shown: its columns, the lines below the heads, each a list of
  // { text, best } and the values of its columns in table.csv, and the texts of the anchors and of
  // published rows, which are no part of the CSV, and the last lines in LaTeX, with the caption.

  function markdownLine(texts) {
    return `| ${texts.join(" | ")} |`;
  }

  function writeMarkdown({ columns, lines, anchors, published = [] }) {
    return [
      markdownLine(columns.map((column) => column.markdown)),
      markdownLine(columns.map((_, number) => (number ? "--:" : ":--"))),
      ...lines.map(({ cells }) =>
        markdownLine(cells.map(({ text, best }) => (best ? `**${forMarkdown(text)}**` : forMarkdown(text))))),
      ...anchors.map((texts) => markdownLine(texts.map(forMarkdown))),
      ...published.map((texts) => markdownLine(texts.map((text) => `*${forMarkdown(text)}*`))),
      "",
    ].join("\n");
  }

  function latexLine(texts) {
    return `${texts.join(" & ")} \\\\`;
  }

  function writeLatex({ title, columns, lines, anchors, published = [], latexEnd }) {
    return [
      ...latexStart,
      `\\begin{tabular}{l${"r".repeat(columns.length - 1)}}`,
      "\\toprule",
      latexLine(columns.map((column) => column.latex)),
      "\\midrule",
      `\\multicolumn{${columns.length}}{l}{\\emph{${title}}} \\\\`,
      ...lines.map(({ cells }) =>
        latexLine(cells.map(({ text, best }) => (best ? `\\textbf{${forLatex(text)}}` : forLatex(text))))),
      ...anchors.map((texts) => latexLine(texts.map(forLatex))),
      ...published.map((texts) => latexLine(texts.map((text) => `\\emph{${forLatex(text)}}`))),
      ...latexEnd,
      "",
    ].join("\n");
  }

  // The values are fields: numbers as formatFloat gives them, texts as forCsv does, null for none.
  function writeCsv({ columns, lines }) {
    const heads = columns.flatMap((column) => column.csv.map(forCsv));
    const rows = [heads, ...lines.map(({ values }) => values.map((value) => value ?? ""))];
    return rows.map((row) => (row.length === 1 && !row[0] ? '""' : row.join(","))).join("\n") + "\n";
  }

  return {
    DASH, fixed, format, formatSpread, formatFloat, visible, forMarkdown, forLatex, forCsv,
    writeMarkdown, writeLatex, writeCsv,
  };
})();
