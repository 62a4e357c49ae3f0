"use strict";
// The filter of the table: words, numbers ("score > 0.1", "dial <= 4") and models ("model: name").

const filter = (() => {
  const TESTS = {
    "<": (one, other) => one < other, "<=": (one, other) => one <= other,
    ">": (one, other) => one > other, ">=": (one, other) => one >= other,
    "=": (one, other) => one === other, "!=": (one, other) => one !== other,
  };
  const SPELLINGS = { "\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "==": "=", ":": "=" };
  const SIGN = "<=|>=|!=|==|[<>=:\u2264\u2265\u2260]";

  const lower = (text) => text.toLowerCase().replaceAll("\u03b2", "beta");
  const plain = (text) => lower(text).replace(/[\s_\u2191\u2193]+/g, " ").trim();
  const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const quote = (text) => `\u201c${text}\u201d`;
  const join = (names) => `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;

  // What can be compared: names in plain letters, each with a function from a row to its number or null.
  // Several names of a column have the same function.
  function listNumbers(setting) {
    const { rows, quantities, values } = setting;
    const found = new Map();
    const add = (names, of) => names.map(plain).filter((name) => !found.has(name)).forEach((name) => found.set(name, of));
    for (const { name, label, head } of quantities) {
      const { mean } = values[name];
      add([name, head, label], (row) => mean[row]);
    }
    add(["n", "seeds"], (row) => rows.n[row]);
    for (const [name, of] of listDials(setting)) add([name], of);
    return found;
  }

  // The numbers in the names of configurations: dials, beta, and what splits a model into series.
  function listDials({ rows }) {
    const known = rows.series.map((series, row) => {
      const named = [...series.matchAll(/, (\S+) = (-?[\d.,]*\d(?:e[+-]?\d+)?)(?=,|$)/g)].map(([, name, text]) => [name, read(text)]);
      const [, dial, level, beta] = rows.csv[row];
      return new Map([...named, ...(beta === null ? [] : [["beta", beta]]), ...(dial ? [[dial, level]] : [])]);
    });
    const names = new Set(known.flatMap((values) => [...values.keys()]));
    return [...names].map((name) => [name, (row) => known[row].get(name) ?? null]);
  }

  // Read a number, which may have commas between thousands; NaN for anything else.
  function read(text) {
    const bare = text.replace("\u2212", "-");
    return bare === "" ? NaN : Number(/^-?\d{1,3}(,\d{3})+(\.\d+)?$/.test(bare) ? bare.replaceAll(",", "") : bare);
  }

  // Read a filter: a function that says whether a row passes, and sentences on what was not understood.
  function parse(text, setting) {
    const numbers = listNumbers(setting);
    const names = ["model", ...numbers.keys()].sort((one, other) => other.length - one.length);
    const known = names.map((one) => escape(one).replaceAll(" ", "[ _]")).join("|");
    const terms = new RegExp(`(?<![^\\s,])(${known}|[^\\s,<>=:!\u2264\u2265\u2260]*)\\s*(${SIGN})\\s*([^\\s<>=:!]*)`, "gu");
    const all = [...setting.rows.label.keys()];
    const [tests, faults] = [[], []];
    const words = lower(text).replace(terms, (term, name, sign, value) => {
      const { test, fault } = readTerm(plain(name), SPELLINGS[sign] ?? sign, value.replace(/,$/, ""), setting, numbers);
      if (test) tests.push(test);
      else if (all.some((row) => textOf(setting, row).includes(term.trim()))) return term; // "kind = rbf" in a name
      else faults.push(fault);
      return " ";
    });
    tests.push(...words.split(/\s+/).filter(Boolean).map((word) => (row) => textOf(setting, row).includes(word)));
    return { rows: all.filter((row) => tests.every((test) => test(row))), faults };
  }

  function readTerm(name, sign, value, setting, numbers) {
    if (name === "" || value === "") return { fault: `${quote(`${name} ${sign} ${value}`.trim())} is not complete` };
    if (name === "model") return readModel(sign, value, setting);
    const { of, fault } = look(name, numbers);
    const number = read(value);
    if (fault) return { fault };
    if (Number.isNaN(number)) return { fault: `${quote(value)} is not a number` };
    return { test: (row) => of(row) !== null && TESTS[sign](of(row), number) };
  }

  // Find what a name stands for, also by its first letters; or say why nothing is found.
  function look(name, numbers) {
    if (numbers.has(name)) return { of: numbers.get(name) };
    const near = new Map([...numbers].filter(([one]) => one.startsWith(name)).map(([one, of]) => [of, one]));
    if (near.size === 1) return { of: [...near.keys()][0] };
    return { fault: near.size ? `${quote(name)} can be ${join([...near.values()])}` : `no column or dial is called ${quote(name)}` };
  }

  // A model by its whole name, or else all that have the letters in theirs.
  function readModel(sign, value, { models, rows }) {
    if (!["=", "!="].includes(sign)) return { fault: `models have no order, so ${quote(sign)} says nothing about one` };
    const names = models.map((model) => lower(model.name));
    const wanted = new Set(names.includes(value) ? [value] : names.filter((one) => one.includes(value)));
    if (!wanted.size) return { fault: `no model is called ${quote(value)}` };
    return { test: (row) => wanted.has(names[rows.model[row]]) === (sign === "=") };
  }

  function textOf({ rows, models }, row) {
    const { note, baseline } = models[rows.model[row]];
    return lower(`${rows.label[row]} ${rows.texts[row].slice(0, 2).join(" ")} ${note} ${baseline ? "baseline" : ""}`);
  }

  return { parse };
})();
