// A worker for pages opened from disk, where browsers allow none: the search runs in a hidden frame instead.
// Its name is what mkdocs-material looks for before it loads a script of the same kind from another host.
"use strict";
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      window.addEventListener("message", (event) => {
        if (event.source === inside) this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      });
      this.loaded = this.fill(inside, url);
    }

    fill(inside, url) {
      const post = (data) => parent.postMessage(data, "*");
      const load = (...urls) =>
        urls.reduce(
          (before, src) =>
            before.then(
              () =>
                new Promise((done) => {
                  const script = document.createElement("script");
                  script.src = src;
                  script.onload = done;
                  document.body.append(script);
                }),
            ),
          Promise.resolve(),
        );
      inside.document.open();
      inside.document.write(
        `<body><script>postMessage = ${post}; importScripts = ${load};<` +
          `/script><script src="${encodeURI(url)}"><` +
          "/script></body>",
      );
      inside.document.close();
      return new Promise((done) => (inside.onload = done));
    }

    postMessage(data) {
      this.loaded.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
