/** Before the trials: what the browser knows of its screen, the card's width, the blind spot. */

import { screenFacts } from "./display.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("readiness"));
const field = (/** @type {string} */ name) => /** @type {HTMLInputElement|null} */ (form.querySelector(`[name="${name}"]`));
const part = (/** @type {string} */ name) => /** @type {HTMLElement|null} */ (form.querySelector(`[data-part="${name}"]`));

const CARD_MM = 85.6;                    // ISO/IEC 7810 ID-1
const BLIND_SPOT_DEGREES = 13.5;
const RUNS = 5;
const SPEED_MM_S = 25;

// A form that is sent twice would be harmless, but a second click is often an impatient one.
let is_sent = false;
form.addEventListener("submit", (event) => {
  if (is_sent) event.preventDefault();
  is_sent = true;
  const display = field("display");
  if (display) display.value = JSON.stringify(screenFacts());
});
addEventListener("pageshow", () => { is_sent = false; });

const card = part("card");
const slider = /** @type {HTMLInputElement|null} */ (form.querySelector("#card-width"));
const density = field("device_px_per_mm");
const mm = (/** @type {number} */ px) => (px * CARD_MM) / Number(slider?.value);

if (card && slider && density) {
  const fit = () => {
    card.style.width = `${slider.value}px`;
    density.value = ((Number(slider.value) * devicePixelRatio) / CARD_MM).toFixed(4);
  };
  // Until somebody moves it, nobody has compared it with a card.
  if (density.value) {
    slider.value = String(Math.round((Number(density.value) * CARD_MM) / devicePixelRatio));
    fit();
  } else card.style.width = `${slider.value}px`;
  slider.addEventListener("input", fit);
}

const spot = part("blind-spot");
const button = part("blind-spot-button");
const count = part("blind-spot-count");
const distance = field("viewing_distance_cm");
const method = field("distance_method");

if (spot && button && count && distance && method) {
  const dot = /** @type {HTMLElement} */ (spot.querySelector(".dot"));
  const square = /** @type {HTMLElement} */ (spot.querySelector(".square"));
  /** @type {number[]} */
  let found = [];
  /** @type {number|null} */
  let since = null;

  const away = (/** @type {number} */ t) => 40 + (((t - (since ?? t)) / 1000) * SPEED_MM_S * Number(slider?.value)) / CARD_MM;
  const move = (/** @type {number} */ t) => {
    if (since === null) return;
    const px = away(t);
    dot.style.right = `${px}px`;
    if (px > spot.clientWidth - 60) return stop();
    requestAnimationFrame(move);
  };
  const stop = () => {
    since = null;
    dot.style.right = "40px";
    button.textContent = button.dataset.go ?? "";
  };
  button.addEventListener("click", () => {
    if (since === null) {
      if (found.length === RUNS) found = [];
      since = performance.now();
      button.textContent = button.dataset.gone ?? "";
      requestAnimationFrame(move);
      return;
    }
    const a = square.getBoundingClientRect(), b = dot.getBoundingClientRect();
    stop();
    found.push(mm(a.left + a.width / 2 - b.left - b.width / 2));
    count.textContent = `${found.length} / ${RUNS}`;
    if (found.length < RUNS) return;
    const middle = [...found].sort((x, y) => x - y)[Math.floor(RUNS / 2)];
    distance.value = (middle / Math.tan((BLIND_SPOT_DEGREES * Math.PI) / 180) / 10).toFixed(1);
    method.value = "blind_spot";
  });
  distance.addEventListener("input", () => { method.value = "entered"; });
}
