// Plays the pictures that frames.py has recorded. Nothing is drawn here: a position of
// the controls is a number, and the picture with that number is put in place.
(() => {
  async function unpack(text) {
    const packed = atob(text);
    const bytes = new Uint8Array(packed.length);
    for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
    const unzip = new DecompressionStream("gzip");
    const stream = new Blob([bytes]).stream().pipeThrough(unzip);
    return JSON.parse(await new Response(stream).text());
  }

  function start(player) {
    const controls = [...player.querySelectorAll("input, select")];
    const counts = controls.map(c => c.options?.length ?? Number(c.max) + 1);
    const place = c => c.options ? c.selectedIndex : Number(c.value);
    const picture = player.querySelector(".player-picture");
    let data = null;

    function show() {
      for (const control of controls.filter(c => !c.options)) {
        const text = JSON.parse(control.dataset.texts)[control.value];
        control.setAttribute("aria-valuetext", text);
        control.parentElement.querySelector("output").textContent = text;
      }
      if (!data) return;  // it will be shown when there is something to show
      const number = controls.reduce((n, c, i) => n * counts[i] + place(c), 0);
      const [look, between, alt] = data.pictures[number];
      const [below, above] = data.looks[look];
      picture.innerHTML = `<div role="img">${below}${between}${above}</div>`;
      picture.firstChild.setAttribute("aria-label", alt);
    }

    for (const button of player.querySelectorAll("button")) {
      const control = button.parentElement.querySelector("input");
      let timer = null;
      const stop = () => {
        clearInterval(timer);
        timer = null;
        button.setAttribute("aria-pressed", "false");
      };
      const step = () => {
        control.value = (Number(control.value) + 1) % (Number(control.max) + 1);
        show();
      };
      button.addEventListener("click", event => {
        event.preventDefault();  // or its label would focus the slider
        if (timer) return stop();
        timer = setInterval(step, Number(button.dataset.milliseconds));
        button.setAttribute("aria-pressed", "true");
        step();
      });
      player.addEventListener("input", stop);
    }
    player.addEventListener("input", show);
    unpack(player.querySelector("script").textContent).then(all => {
      data = all;
      player.dataset.ready = "";
      // a browser that was here before may have kept the sliders where they were
      show();
    });
  }

  document.querySelectorAll(".player").forEach(start);
})();
