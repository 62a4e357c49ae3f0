"use strict";
// What the scripts of the page share: its data, elements, and the cell that is selected.

const page = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const listeners = [];
  let selected = null;

  // Make an element: make("button", { type: "button", class: "quiet" }, "Play", icon).
  // A name that begins with "on" is an event; true and false are attributes without a value.
  // Children are nodes or texts: text never becomes markup.
  function make(tag, attributes = {}, ...children) {
    const space = tag.startsWith("svg:") ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
    const element = document.createElementNS(space, tag.replace("svg:", ""));
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null));
    return element;
  }

  // Replace the children of an element. A child that stays keeps the focus, which leaving the document takes away.
  function replace(element, children) {
    const { activeElement } = document;
    element.replaceChildren(...children);
    if (element.contains(activeElement)) activeElement.focus({ preventScroll: true });
  }

  // Select a cell by its hash, everywhere on the page; null selects none.
  // Listeners receive the hash and the element or subject that asked, to leave themselves alone.
  function select(hash, by = null) {
    if (hash === selected) return;
    selected = hash;
    for (const listener of listeners) listener(hash, by);
  }

  function onSelect(listener) {
    listeners.push(listener);
  }

  return { data, make, replace, select, onSelect, selected: () => selected };
})();
