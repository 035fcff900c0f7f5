// Search, light and dark, the menu of a narrow page, answers for print.
(() => {
  const one = selector => document.querySelector(selector);
  const all = selector => [...document.querySelectorAll(selector)];

  one(".theme").addEventListener("click", () => {
    const dark = document.documentElement.classList.toggle("dark");
    try { localStorage.setItem("theme", dark ? "dark" : "light"); } catch {}
  });

  // the list of pages is one: on a narrow page it is in the menu
  const nav = one("nav"), columns = one(".columns"), menu = one(".menu");
  const narrow = matchMedia("(max-width: 60em)");
  const place = () => narrow.matches ? menu.append(nav) : columns.prepend(nav);
  narrow.addEventListener("change", place);
  place();
  one("nav").addEventListener("click", () => menu.open = false);

  const folds = all("main details");
  const opener = one(".open-all");
  opener.hidden = !folds.length;
  opener.addEventListener("click", () => {
    const open = !folds.every(fold => fold.open);
    folds.forEach(fold => fold.open = open);
    opener.textContent = open ? "Close answers" : "Open answers";
  });
  // paper can't be clicked
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter(fold => !fold.open);
    closed.forEach(fold => fold.open = true);
  });
  addEventListener("afterprint", () => closed.forEach(fold => fold.open = false));

  // what is wider than its column scrolls by itself, by keyboard too
  const fit = () => {
    for (const formula of all("main math:not([display])")) {
      const column = formula.closest("p, li, td, th, summary, h1, h2, h3");
      const wide = column && formula.scrollWidth > column.clientWidth;
      formula.classList.toggle("wide", Boolean(wide));
    }
    for (const box of all("main pre, .table, .formula, .wide"))
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
  };
  addEventListener("resize", fit);
  document.fonts.ready.then(fit);
  folds.forEach(fold => fold.addEventListener("toggle", fit));

  // search: a section is found if it has every word, those in its title count most
  const field = one("search input"), found = one("#found");
  let loading = null;  // the words come with the first question
  const load = () => loading ??= new Promise((done, fail) => {
    const script = document.createElement("script");
    Object.assign(script, {src: "words.js", onload: done, onerror: fail});
    document.head.append(script);
  });
  const count = (text, word) => text.toLowerCase().split(word).length - 1;
  async function search() {
    const asked = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = !asked.length;
    if (!asked.length) return;
    await load();
    const hits = window.words.map(([address, page, title, text]) => {
      const scores = asked.map(w => 9 * count(title, w) + Math.min(count(text, w), 5));
      return {address, page, title, score: Math.min(...scores) && scores.reduce((a, b) => a + b)};
    }).filter(hit => hit.score).sort((a, b) => b.score - a.score).slice(0, 12);
    found.replaceChildren(...hits.map(({address, page, title}) => {
      const item = document.createElement("li"), link = document.createElement("a");
      const where = document.createElement("small");
      Object.assign(link, {href: address, textContent: title});
      where.textContent = page;
      item.append(link, where);
      return item;
    }));
    if (!hits.length) {
      const item = document.createElement("li");
      item.textContent = "Nothing found.";
      found.append(item);
    }
  }
  field.addEventListener("input", search);
  field.addEventListener("focus", search);
  found.addEventListener("click", () => found.hidden = true);
  addEventListener("click", event => {
    if (!one("search").contains(event.target)) found.hidden = true;
  });
  addEventListener("keydown", event => {
    if (event.key === "Escape") found.hidden = true;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing) {
      event.preventDefault();
      field.focus();
    }
  });
})();
