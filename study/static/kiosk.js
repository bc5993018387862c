/** In the lab: back to the first page when nobody has touched anything for a while. */

const kiosk = /** @type {HTMLElement} */ (document.querySelector("[data-part=kiosk]"));
const wait_ms = 1000 * Number(kiosk.dataset.afterS);
/** @type {number|undefined} */
let timer;

function again() {
  clearTimeout(timer);
  timer = setTimeout(() => location.replace(kiosk.dataset.url ?? "/"), wait_ms);
}

for (const type of ["pointermove", "pointerdown", "keydown", "scroll", "touchstart"]) addEventListener(type, again, { passive: true });
again();
