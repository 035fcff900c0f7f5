"use strict";
// A deck: one slide at a time, its parts a press each. The place stands in the address
// (#7.2 is slide 7 with two presses made), so that a reload and a link find it again.
(async () => {
  const main = document.querySelector("main");

  // sizes can be measured when the letters are there
  await Promise.all([...document.fonts].map((font) => font.load()));

  // formulas that are too high together, or one that is too wide, become smaller
  const lower = (slide) => {
    const body = slide.querySelector(".body.formula");
    for (let size = 42; body?.scrollHeight > body?.clientHeight && size >= 30; size -= 2)
      body.style.setProperty("--formula", `${size}px`);
  };
  const narrow = (one) => {
    const room = one.closest(".body").clientWidth;
    const wide = one.getBoundingClientRect().width;
    const size = parseFloat(getComputedStyle(one).fontSize);
    if (wide > room) one.style.fontSize = `${Math.floor(size * room / wide)}px`;
  };
  main.querySelectorAll("section").forEach(lower);
  main.querySelectorAll(".tex math").forEach(narrow);
  const slides = [...main.querySelectorAll("section")];
  const parts = slides.map((slide) => [...slide.querySelectorAll("[data-part]")]);
  slides.forEach((slide, i) => {
    slide.id = `slide-${i + 1}`;
    slide.setAttribute("aria-label", `slide ${i + 1} of ${slides.length}`);
    slide.querySelector("header span").textContent = `${i + 1} / ${slides.length}`;
  });
  const bar = document.querySelector("progress");
  let at = 0, pressed = 0, notes = null, started = Date.now();

  const fit = () => {
    const scale = Math.min(innerWidth / 1280, innerHeight / 720);
    main.style.transform = `scale(${scale}) translate(-50%, -50%)`;
  };

  const show = () => {
    slides.forEach((slide, i) => { slide.hidden = i !== at; });
    parts[at].forEach((part, i) => part.classList.toggle("shown", i < pressed));
    bar.max = slides.length;
    bar.value = at + 1;
    const place = `#${at + 1}${pressed ? "." + pressed : ""}`;
    if (location.hash !== place) history.replaceState(null, "", place);
    if (notes && !notes.closed) tell();
  };

  const go = (slide, presses) => {
    const moved = slide !== at;
    at = Math.max(0, Math.min(slides.length - 1, slide));
    pressed = Math.max(0, Math.min(parts[at].length, presses));
    show();
    if (moved) slides[at].focus({preventScroll: true});
  };
  const next = () => {
    if (pressed < parts[at].length) go(at, pressed + 1);
    else if (at < slides.length - 1) go(at + 1, 0);
  };
  const back = () => {
    if (pressed > 0) go(at, pressed - 1);
    else if (at > 0) go(at - 1, parts[at - 1].length);
  };
  const read = () => {
    const [slide, presses] = location.hash.slice(1).split(".").map(Number);
    go((slide || 1) - 1, presses || 0);
  };

  // the notes: a window beside the slides, or a panel over them where that is forbidden
  const tell = () => {
    const page = notes.document;
    const minutes = (slide) => Number(slide.dataset.minutes);
    const gone = slides.slice(0, at).reduce((sum, slide) => sum + minutes(slide), 0);
    const took = Math.floor((Date.now() - started) / 60000);
    page.title = "Notes";
    page.body.innerHTML =
      `<p>slide ${at + 1} of ${slides.length}, ` +
      `planned ${gone} to ${gone + minutes(slides[at])} min, ` +
      `since the start ${took} min</p>` + slides[at].querySelector("aside").innerHTML +
      "<hr><p>Next:</p>" +
      (slides[at + 1]?.querySelector(".body").innerText.slice(0, 300) ?? "the end");
    page.body.style.font = "22px/1.4 sans-serif";
    page.body.style.margin = "1em";
  };
  const toggleNotes = () => {
    const panel = document.body.classList;
    if (panel.contains("notes")) { panel.remove("notes"); return; }
    if (notes && !notes.closed) { notes.close(); return; }
    notes = window.open("", "notes", "width=700,height=800");
    if (!notes) { panel.add("notes"); return; }
    notes.document.onkeydown = press;
    tell();
  };

  const moves = {
    PageDown: next, PageUp: back, " ": next, Enter: next, ArrowRight: next,
    ArrowDown: next, ArrowLeft: back, ArrowUp: back, n: toggleNotes, N: toggleNotes,
    Home: () => go(0, 0), End: () => go(slides.length - 1, 0),
    b: () => document.body.classList.toggle("black"),
  };
  // a slider keeps the keys that move it; a clicker's PageDown and PageUp always turn
  const kept = {
    INPUT: ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "Home", "End"],
    SELECT: ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "Home", "End", " ",
      "Enter", "n", "N", "b"],
    BUTTON: [" ", "Enter"], A: ["Enter"],
  };
  function press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape") { document.activeElement.blur(); return; }
    if (kept[event.target.tagName]?.includes(event.key)) return;
    const move = event.key === " " && event.shiftKey ? back : moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }

  document.addEventListener("keydown", press);
  document.getElementById("next").onclick = next;
  document.getElementById("back").onclick = back;
  let touched = null;
  main.addEventListener("touchstart", (event) => {
    const slider = event.target.closest("input, select, button, a");
    touched = slider ? null : event.changedTouches[0].clientX;
  }, {passive: true});
  main.addEventListener("touchend", (event) => {
    if (touched === null) return;
    const far = event.changedTouches[0].clientX - touched;
    if (Math.abs(far) > 50) (far < 0 ? next : back)();
  });
  addEventListener("resize", fit);
  addEventListener("hashchange", read);
  setInterval(() => { if (notes && !notes.closed) tell(); }, 20000);
  fit();
  read();
  main.dataset.ready = "";
})();
