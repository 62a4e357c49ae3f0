"use strict";
// A decoder in the browser: the layers of dis_bench/reports/play/program.py, one function each.
// Images are [height][width][channels] in one Float32Array; a state is { values, height, width, channels, style }.

const network = (() => {
  // Decode 16-bit floats (little-endian, in base64).
  function readHalves(base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const halves = new DataView(bytes.buffer);
    const numbers = new Float32Array(bytes.length / 2);
    for (let n = 0; n < numbers.length; n++) {
      const half = halves.getUint16(2 * n, true);
      const sign = half & 0x8000 ? -1 : 1;
      const exponent = (half >> 10) & 31;
      const fraction = half & 1023;
      if (exponent === 0) numbers[n] = sign * 2 ** -24 * fraction;
      else numbers[n] = sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
    }
    return numbers;
  }

  function dense(values, layer, weights) {
    const [inputs, outputs] = layer.size;
    const made = new Float32Array(outputs);
    for (let o = 0; o < outputs; o++) {
      let sum = layer.bias === null ? 0 : weights[layer.bias + o];
      const row = layer.weight + o * inputs;
      for (let i = 0; i < inputs; i++) sum += weights[row + i] * values[i];
      made[o] = sum;
    }
    return made;
  }

  // Add every input pixel, times the kernel, to the output (transposed), or every output pixel from the input.
  function convolve(state, layer, weights, transposed) {
    const [inputs, outputs, kernel] = layer.size;
    const { stride, padding, weight, bias } = layer;
    const grow = (size) =>
      transposed ? (size - 1) * stride - 2 * padding + kernel + layer.extra
                 : Math.floor((size + 2 * padding - kernel) / stride) + 1;
    const height = grow(state.height), width = grow(state.width);
    const made = new Float32Array(height * width * outputs);
    if (bias !== null) for (let n = 0; n < made.length; n++) made[n] = weights[bias + (n % outputs)];
    // The strided side is the output of a transposed convolution, and the input of a plain one.
    const [rows, columns] = transposed ? [state.height, state.width] : [height, width];
    const [farRows, farColumns] = transposed ? [height, width] : [state.height, state.width];
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++)
      for (let a = 0; a < kernel; a++) {
        const r = i * stride - padding + a;
        if (r < 0 || r >= farRows) continue;
        for (let b = 0; b < kernel; b++) {
          const t = j * stride - padding + b;
          if (t < 0 || t >= farColumns) continue;
          const near = i * columns + j, far = r * farColumns + t;
          const from = (transposed ? near : far) * inputs, to = (transposed ? far : near) * outputs;
          let w = weight + (a * kernel + b) * inputs * outputs;
          for (let c = 0; c < inputs; c++, w += outputs) {
            const value = state.values[from + c];
            if (value !== 0) for (let o = 0; o < outputs; o++) made[to + o] += value * weights[w + o];
          }
        }
      }
    return { ...state, values: made, height, width, channels: outputs };
  }

  function normalise(state, epsilon) {
    const { values, channels } = state, count = values.length / channels;
    const made = new Float32Array(values.length);
    for (let c = 0; c < channels; c++) {
      let mean = 0, variance = 0;
      for (let n = c; n < values.length; n += channels) mean += values[n] / count;
      for (let n = c; n < values.length; n += channels) variance += (values[n] - mean) ** 2 / count;
      const scale = 1 / Math.sqrt(variance + epsilon);
      for (let n = c; n < values.length; n += channels) made[n] = (values[n] - mean) * scale;
    }
    return { ...state, values: made };
  }

  // From numbers in the order channels, height, width to an image, or back.
  function reorder(values, [channels, height, width], toImage) {
    const made = new Float32Array(values.length), pixels = height * width;
    for (let c = 0; c < channels; c++) for (let p = 0; p < pixels; p++) {
      if (toImage) made[p * channels + c] = values[c * pixels + p];
      else made[c * pixels + p] = values[p * channels + c];
    }
    return made;
  }

  function each(state, change) {
    return { ...state, values: state.values.map(change) };
  }

  const layers = {
    dense: (state, layer, weights) => ({ ...state, values: dense(state.values, layer, weights) }),
    image: (state, layer) => {
      const [channels, height, width] = layer.size;
      return { ...state, values: reorder(state.values, layer.size, true), channels, height, width };
    },
    flat: (state) => {
      const size = [state.channels, state.height, state.width];
      return { ...state, values: reorder(state.values, size, false) };
    },
    convolve: (state, layer, weights) => convolve(state, layer, weights, false),
    transposed: (state, layer, weights) => convolve(state, layer, weights, true),
    scale: (state, layer, weights) => {
      const [channels] = layer.size;
      return each(state, (value, n) =>
        value * weights[layer.weight + (n % channels)] + weights[layer.bias + (n % channels)]);
    },
    normalise: (state, layer) => normalise(state, layer.epsilon),
    relu: (state) => each(state, (value) => Math.max(0, value)),
    leaky: (state, layer) => each(state, (value) => (value < 0 ? layer.slope * value : value)),
    tanh: (state) => each(state, Math.tanh),
    sigmoid: (state) => each(state, (value) => 1 / (1 + Math.exp(-value))),
    constant: (state, layer) => {
      const [channels, height, width] = layer.size;
      const values = new Float32Array(channels * height * width).fill(layer.value);
      return { values, channels, height, width, style: state.values };
    },
    style: (state, layer, weights) => {
      const made = dense(state.style, layer, weights).map((value) => Math.max(0, value));
      const channels = layer.size[1] / 2;
      return each(state, (value, n) => value * made[n % channels] + made[channels + (n % channels)]);
    },
  };

  // Return a function from a code to an image: height x width x channels numbers from 0 to 1.
  function load(program) {
    const weights = readHalves(program.weights);
    return (code) => {
      let state = { values: Float32Array.from(code) };
      for (const layer of program.layers) state = layers[layer.op](state, layer, weights);
      return state.values;
    };
  }

  return { load };
})();
