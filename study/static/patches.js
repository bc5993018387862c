/** Patches of known colour for a colorimeter; their names and codes are the rows of the page's table. */

const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (document.querySelector(`[data-part="${name}"]`));
const PATCHES = [...document.querySelectorAll('[data-part="row"]')].map((row) => ({
  name: row.querySelector('[data-part="label"]')?.textContent ?? "",
  code: row.querySelector('[data-part="code"]')?.textContent ?? "",
}));

const screen_ = part("screen");
let at = 0;

function show() {
  const { name, code } = PATCHES[at];
  const side = `${/** @type {HTMLInputElement} */ (part("size")).value}vh`;
  Object.assign(part("patch").style, { background: `rgb(${code})`, width: side, height: side });
  part("name").textContent = `${at + 1} / ${PATCHES.length}  ${name}  ${code}`;
}

function end() {
  screen_.hidden = true;
  part("begin").focus();
}

part("begin").addEventListener("click", async () => {
  await document.documentElement.requestFullscreen().catch(() => {});
  at = 0;
  screen_.hidden = false;
  screen_.focus(); // away from the button, which Enter would press again
  show();
});
addEventListener("keydown", (event) => {
  if (screen_.hidden) return;
  if (event.key === "Escape") end();
  else if (event.key === "ArrowLeft") at = Math.max(0, at - 1);
  else if (event.key === " " || event.key === "ArrowRight") at = Math.min(PATCHES.length - 1, at + 1);
  else return;
  event.preventDefault();
  show();
});
document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement && !screen_.hidden) end(); });
