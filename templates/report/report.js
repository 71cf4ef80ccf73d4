"use strict";
(() => {
  const form = document.getElementById("filters");
  const list = document.getElementById("cards");
  if (!form || !list) return;
  const { status, finding, value, search, marks } = form.elements;
  const cards = Array.from(list.children, (element) => ({
    element,
    status: element.dataset.status,
    facets: JSON.parse(element.dataset.facets),
    text: element.textContent.toLowerCase().replace(/\s+/g, " "),
  }));

  const inWords = (name) => name.replaceAll("_", " ");
  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  const counted = (pairs) => {
    const found = new Map();
    for (const key of pairs) found.set(key, (found.get(key) ?? 0) + 1);
    return [...found].sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
  };

  function fillFindings() {
    const names = cards.flatMap((card) => [...new Set(card.facets.map(([name]) => name))]);
    for (const [name, count] of counted(names)) finding.append(option(name, `${inWords(name)} (${count})`));
  }

  function fillValues() {
    value.length = 1;
    const found = cards.flatMap((card) => card.facets.filter(([name]) => name === finding.value).map(([, is]) => is));
    for (const [is, count] of counted(found)) value.append(option(is, `${inWords(is)} (${count})`));
    value.disabled = !finding.value;
  }

  function apply() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const fits =
        (!status.value || card.status === status.value) &&
        (!finding.value ||
          card.facets.some(([name, is]) => name === finding.value && (!value.value || is === value.value))) &&
        words.every((word) => card.text.includes(word));
      card.element.hidden = !fits;
      shown += fits;
    }
    list.classList.toggle("plain", !marks.checked);
    document.getElementById("shown").textContent = `${shown} of ${cards.length} shown`;
    document.getElementById("nothing").hidden = shown > 0;
  }

  form.addEventListener("input", (event) => {
    if (event.target === finding) fillValues();
    apply();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { fillValues(); apply(); }));
  document.addEventListener("click", (event) => {
    const bar = event.target.closest("button[data-finding]");
    if (!bar) return;
    finding.value = bar.dataset.finding;
    fillValues();
    value.value = bar.dataset.value;
    apply();
    form.scrollIntoView({ block: "start" });
  });

  fillFindings();
  form.reset();
  form.hidden = false;
  fillValues();
  apply();
})();
