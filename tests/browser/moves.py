"""Scripts for the page, to measure what a move of a control does to its picture."""

# milliseconds from the key press until the picture's new content has been painted, or
# null if it is the old content
WATCH = """picture => {
  const before = picture.innerHTML;
  window.moved = new Promise(done => {
    let pressed = null;
    document.addEventListener('keydown', () => pressed = performance.now(),
                              {capture: true, once: true});
    const observer = new MutationObserver(() => {
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => {
        const took = performance.now() - pressed;
        done(picture.innerHTML === before ? null : took);
      }));
    });
    observer.observe(picture, {childList: true, subtree: true, characterData: true});
    setTimeout(() => done(null), 10000);
  });
}"""

# is the picture that is shown this one?
SAME = """(picture, html) => {
  const other = document.createElement('div');
  other.innerHTML = html;
  return picture.firstElementChild.isEqualNode(other.firstElementChild);
}"""

# from now on: when the mouse last moved, and when changes of the picture were painted
FOLLOW = """picture => {
  window.drag = {last: null, painted: []};
  for (const kind of ['pointermove', 'mousemove'])
    document.addEventListener(kind, () => window.drag.last = performance.now(), true);
  new MutationObserver(() => requestAnimationFrame(() => setTimeout(
    () => window.drag.painted.push(performance.now())
  ))).observe(picture, {childList: true, subtree: true, characterData: true});
}"""
# milliseconds from the last move of the mouse until each change that was painted later
LATER = """() => window.drag.painted
  .map(time => time - window.drag.last).filter(time => time > 0)"""
