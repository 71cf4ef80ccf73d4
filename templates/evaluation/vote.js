"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const KEY = `text2face-vote-${data.ballot}`;
  const PAIR = [["left", "Left"], ["equal", "Equal"], ["right", "Right"], ["both bad", "Both bad"]];
  const STATEMENT = [["yes", "Yes"], ["no", "No"], ["unclear", "Cannot tell"]];
  const ASPECTS = [["text", "Which image shows the text better?"], ["real", "Which image looks more real?"]];
  let state = load();

  function load() {
    try {
      return JSON.parse(localStorage.getItem(KEY));
    } catch {
      return null; // storage may be off, or hold another version
    }
  }

  function save() {
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
    } catch {
      // a browser without storage can still vote in one go
    }
  }

  // A generator of random numbers with a seed (mulberry32), so that a reload keeps the order.
  function generator(seed) {
    let a = seed >>> 0;
    return () => {
      a = (a + 0x6d2b79f5) >>> 0;
      let t = Math.imul(a ^ (a >>> 15), 1 | a);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  function shuffled(list, random) {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i -= 1) {
      const j = Math.floor(random() * (i + 1));
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }

  // The questions of this rater: order and sides at random, a tenth again with sides swapped, and checks of attention.
  function drawn(seed) {
    const random = generator(seed);
    const asked = [];
    for (const one of shuffled(data.questions, random)) {
      if (one.kind === "pair") {
        const swapped = random() < 0.5;
        for (const [aspect] of ASPECTS) asked.push({ id: one.id, aspect, swapped, repeat: false });
      } else {
        asked.push({ id: one.id, aspect: "statement", swapped: false, repeat: false });
      }
    }
    const again = shuffled(asked, random).slice(0, Math.round(asked.length * data.repeated));
    const all = [...asked, ...again.map((one) => ({ ...one, swapped: !one.swapped, repeat: true }))];
    const pairs = data.questions.filter((one) => one.kind === "pair");
    for (let place = data.attentionEvery; pairs.length && place < all.length; place += data.attentionEvery) {
      const one = pairs[Math.floor(random() * pairs.length)];
      all.splice(place, 0, { id: one.id, aspect: "attention", swapped: random() < 0.5, repeat: false });
    }
    return all;
  }

  const byId = new Map(data.questions.map((one) => [one.id, one]));
  let shown = 0;

  function show(id) {
    for (const one of ["start", "ask", "end"]) at(one).hidden = one !== id;
  }

  function next() {
    const asked = state.asked;
    const place = state.answers.length;
    at("progress").max = asked.length;
    at("progress").value = place;
    at("count").textContent = `${place} of ${asked.length}`;
    if (place >= asked.length) return finish();
    const item = asked[place];
    const question = byId.get(item.id);
    const statement = item.aspect === "statement";
    const attention = item.aspect === "attention";
    const wanted = item.swapped ? "Right" : "Left";
    at("question").textContent = statement ? question.text
      : attention ? `To show that you read this, answer “${wanted}”.`
      : ASPECTS.find(([name]) => name === item.aspect)[1];
    at("prompt").textContent = item.aspect === "text" ? question.text : "";
    const order = item.swapped && !statement ? [...question.images].reverse() : question.images;
    at("pictures").replaceChildren(...order.map((number, side) => {
      const image = new Image();
      image.src = data.images[number];
      image.alt = order.length === 1 ? "the image" : side ? "right image" : "left image";
      return image;
    }));
    at("answers").replaceChildren(...(statement ? STATEMENT : PAIR).map(([value, label], number) => {
      const button = document.createElement("button");
      const key = document.createElement("kbd");
      button.type = "button";
      key.textContent = `${number + 1}`;
      button.append(key, label);
      button.addEventListener("click", () => answer(value));
      return button;
    }));
    at("back").hidden = place === 0;
    show("ask");
    shown = performance.now();
  }

  function answer(choice) {
    const item = state.asked[state.answers.length];
    state.answers.push({
      question: item.id, aspect: item.aspect, swapped: item.swapped, repeat: item.repeat, choice,
      ms: Math.round(performance.now() - shown),
    });
    save();
    next();
  }

  function finish() {
    const votes = { ballot: data.ballot, rater: state.rater, answers: state.answers };
    at("download").href = `data:application/json;charset=utf-8,${encodeURIComponent(JSON.stringify(votes))}`;
    at("download").download = `votes-${state.rater.replace(/[^\w-]+/g, "-") || "me"}.json`;
    show("end");
  }

  at("begin").addEventListener("click", () => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0];
    state = { rater: at("rater").value.trim() || `r${seed.toString(36)}`, asked: drawn(seed), answers: [] };
    save();
    next();
  });
  at("back").addEventListener("click", () => {
    state.answers.pop();
    save();
    next();
  });
  document.addEventListener("keydown", (event) => {
    if (at("ask").hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const buttons = at("answers").querySelectorAll("button");
    const number = Number(event.key) - 1;
    if (Number.isInteger(number) && buttons[number]) buttons[number].click();
  });
  if (state && Array.isArray(state.asked) && Array.isArray(state.answers)) next();
})();
