"use strict";
// Axes of plots: from values to pixels, with ticks at round values.

const axes = (() => {
  // The smallest and the largest value, with some room around them as a share of their distance.
  function extent(values, share = 0.06) {
    const low = values.reduce((least, value) => Math.min(least, value), Infinity);
    const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
    const isFlat = high - low <= 1e-6 * Math.max(Math.abs(high), Math.abs(low));
    const room = (isFlat ? Math.abs(high) || 1 : high - low) * share;
    return [low - room, high + room];
  }

  function ticksOf([low, high], count) {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([1, 2, 5, 10].find((factor) => power * factor >= rough) ?? 10);
    const first = Math.ceil(low / step - 1e-9);
    const last = Math.floor(high / step + 1e-9);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, number) => {
      const value = (first + number) * step;
      return { value, text: writing.fixed(value || 0, Math.min(digits, 12)) };
    });
  }

  // Round values whose texts have room, in pixels from a place to the next: powers of ten first.
  function logTicksOf([low, high], place) {
    const ticks = [];
    for (const factor of [1, 2, 5]) {
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
        const value = factor * 10 ** power;
        const text = Number(value.toPrecision(1)).toLocaleString("en");
        const hasRoom = ticks.every((other) =>
          Math.abs(place(other.value) - place(value)) >= 3.5 * (text.length + other.text.length) + 8);
        if (value >= low && value <= high && hasRoom) ticks.push({ value, text });
      }
    }
    return ticks.sort((one, other) => one.value - other.value);
  }

  // An axis on which values lie between two pixels, with about that many ticks.
  function makeLinear(domain, from, to, count) {
    const place = (value) => from + ((value - domain[0]) / (domain[1] - domain[0])) * (to - from);
    return { domain, isLog: false, place, ticks: ticksOf(domain, count) };
  }

  // The same for positive values that span more than a factor of ten.
  function makeLog(domain, from, to) {
    const [start, end] = domain.map(Math.log);
    const place = (value) => from + ((Math.log(value) - start) / (end - start)) * (to - from);
    return { domain, isLog: true, place, ticks: logTicksOf(domain, place) };
  }

  // Logarithmic for positive values that span more than a factor of ten, as the figures: is_wide in theme.py.
  function fit(values, from, to, count) {
    const [low, high] = extent(values, 0);
    const room = (high / low) ** 0.05;
    return low > 0 && high / low > 10
      ? makeLog([low / room, high * room], from, to) : makeLinear(extent(values), from, to, count);
  }

  return { extent, makeLinear, fit };
})();
