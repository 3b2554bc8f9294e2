"use strict";
(() => {
  const form = document.querySelector("form.filter");
  const all = [...document.querySelectorAll("[data-verdict]")];
  if (!form || all.length === 0) return;
  const shown = form.querySelector("output");
  const texts = new Map(all.map((item) => [item, item.textContent.toLowerCase()]));
  const apply = () => {
    const verdict = form.elements.verdict.value;
    const state = form.elements.state.value;
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const item of all) {
      const fits = (verdict === "" || item.dataset.verdict === verdict.slice(1))
        && (state === "" || item.dataset.state === state)
        && words.every((word) => texts.get(item).includes(word));
      item.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} of ${all.length} images`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
})();
