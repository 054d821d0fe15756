// What the pages share: their data, elements, and what is said when a script fails. Text from the
// data reaches a page only as text nodes.
"use strict";

window.onerror = (message) => {
  const box = byId("error");
  box.hidden = false;
  box.textContent = `This page is not complete: ${message}`;
  document.body.dataset.error = message;
};

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);

function el(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const plural = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
