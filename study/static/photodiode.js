/** A picture and a corner square, uncovered in one frame, many times; the page's own times as CSV. */

const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (document.querySelector(`[data-part="${name}"]`));
const number = (/** @type {string} */ name) => Number(/** @type {HTMLInputElement} */ (part(name)).value);
const screen_ = part("screen");
const cover = /** @type {HTMLElement} */ (screen_.querySelector(".cover"));
const corner = part("photodiode");
const context = /** @type {CanvasRenderingContext2D} */ (/** @type {HTMLCanvasElement} */ (screen_.querySelector("canvas")).getContext("2d", { alpha: false }));
for (let i = 0; i < 64; i++) {
  context.fillStyle = `hsl(${(i * 137) % 360} 60% 55%)`;
  context.fillRect((i % 8) * 32, Math.floor(i / 8) * 32, 32, 32);
}

// At most three flashes in a second: WCAG 2.2, 2.3.1.
const LEAST_CYCLE_MS = 334;

const frame = () => new Promise((resolve) => { requestAnimationFrame(resolve); });
const open = (/** @type {boolean} */ is_open) => {
  cover.style.opacity = is_open ? "0" : "1";
  corner.style.opacity = is_open ? "1" : "0";
};

/** The nearest frame decides, as in a study. @param {number} since @param {number} ms @param {number} interval */
async function until(since, ms, interval) {
  let t = await frame();
  while (t - since < ms - interval / 2) t = await frame();
  return t;
}

part("begin").addEventListener("click", async () => {
  await document.documentElement.requestFullscreen().catch(() => {});
  screen_.hidden = false;
  screen_.focus(); // away from the button, which a key would press again
  const times = [];
  for (let i = 0; i < 40; i++) times.push(await frame());
  const gaps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
  const interval = gaps[Math.floor(gaps.length / 2)];
  const exposure = number("exposure");
  const pause = Math.max(number("pause"), LEAST_CYCLE_MS - exposure);
  const rows = ["onset_ms,offset_ms,exposure_ms_nominal"];
  let since = await frame();
  for (let i = 0; i < number("n"); i++) {
    const onset = await until(since, pause, interval);
    open(true);
    since = await until(onset, exposure, interval);
    open(false);
    rows.push([onset.toFixed(3), since.toFixed(3), exposure].join(","));
  }
  await frame();
  screen_.hidden = true;
  if (document.fullscreenElement) await document.exitFullscreen();
  const save = /** @type {HTMLAnchorElement} */ (part("save"));
  save.href = URL.createObjectURL(new Blob([`${rows.join("\n")}\n`], { type: "text/csv" }));
  save.hidden = false;
  const said = part("status");
  said.textContent = (said.dataset.text ?? "").replace("{n}", String(rows.length - 1)).replace("{hz}", (1000 / interval).toFixed(2));
  save.focus();
});
