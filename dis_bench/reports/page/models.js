"use strict";
// Trained models that show images: with their decoder, or with a sheet of images of each latent.

const models = (() => {
  const { cells = [], originals = [], frozen = 0 } = page.data.play ?? {};

  function loadImage(uri) {
    const image = new Image();
    image.src = uri;
    return image.decode().then(() => image);
  }

  class Model {
    constructor(cell) {
      this.cell = cell;
      this.latents = cell.base.length;
      [this.channels, this.height, this.width] = cell.shape;
      this.isLive = cell.program !== undefined;
      // By falling KL; without one, in the order of the latents.
      this.order = [...Array(this.latents).keys()];
      if (cell.kl) this.order.sort((a, b) => cell.kl[b] - cell.kl[a]);
    }

    isFrozen(latent) {
      return this.cell.kl !== null && this.cell.kl[latent] < frozen;
    }

    clip(latent, value) {
      return Math.min(this.cell.high[latent], Math.max(this.cell.low[latent], value));
    }

    // Load what it draws with; once.
    load() {
      this.loading ??= this.prepare();
      return this.loading;
    }

    async prepare() {
      if (this.isLive) this.decode = network.load(this.cell.program);
      else {
        const [sheet, reconstructions] = [this.cell.sheet, this.cell.reconstructions].map(loadImage);
        [this.sheet, this.reconstructions] = [await sheet, await reconstructions];
      }
      return this;
    }

    // Draw a pose on a canvas: { code, start, moved }. A decoder draws the code. A sheet draws the latent that
    // was moved, at its value in the code, or else the reconstruction of the image to start from.
    draw(canvas, { code, start = 0, moved = null }) {
      if (canvas.width !== this.width || canvas.height !== this.height) {
        [canvas.width, canvas.height] = [this.width, this.height];
      }
      const context = canvas.getContext("2d");
      if (this.isLive) context.putImageData(this.paint(this.decode(code)), 0, 0);
      else if (moved === null) this.cut(context, this.reconstructions, start, 0);
      else this.cut(context, this.sheet, this.stopAt(moved, code[moved]), moved);
    }

    stopAt(latent, value) {
      const { low, high, stops } = this.cell;
      const share = (value - low[latent]) / (high[latent] - low[latent]);
      return Math.min(stops - 1, Math.max(0, Math.round(share * (stops - 1))));
    }

    cut(context, image, column, row) {
      const { width, height } = this;
      context.drawImage(image, column * width, row * height, width, height, 0, 0, width, height);
    }

    paint(values) {
      const image = new ImageData(this.width, this.height);
      for (let p = 0; p < this.width * this.height; p++) {
        for (let c = 0; c < 3; c++) {
          image.data[4 * p + c] = 255 * values[p * this.channels + (this.channels < 3 ? 0 : c)];
        }
        image.data[4 * p + 3] = 255;
      }
      return image;
    }
  }

  const all = cells.map((cell) => new Model(cell));
  return { all, originals, loadImage, find: (hash) => all.find((model) => model.cell.hash === hash) };
})();
