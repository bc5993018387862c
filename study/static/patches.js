/** Patches of known colour for a colorimeter. */

const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (document.querySelector(`[data-part="${name}"]`));
const grey = (/** @type {number} */ code) => [code, code, code];
const PATCHES = [
  { name: "white", code: grey(255) },
  { name: "red", code: [255, 0, 0] },
  { name: "green", code: [0, 255, 0] },
  { name: "blue", code: [0, 0, 255] },
  { name: "black", code: grey(0) },
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((tenth) => ({ name: `grey ${tenth}0 %`, code: grey(Math.round(25.5 * tenth)) })),
  { name: "the study's field", code: grey(128) },
  { name: "cyan", code: [0, 255, 255] },
  { name: "magenta", code: [255, 0, 255] },
  { name: "yellow", code: [255, 255, 0] },
  { name: "white again: has the display drifted?", code: grey(255) },
];

const screen_ = part("screen");
let at = 0;

for (const [number, { name, code }] of PATCHES.entries()) {
  const row = document.createElement("tr");
  for (const text of [number + 1, name, code.join(" ")]) {
    const cell = document.createElement("td");
    cell.textContent = String(text);
    row.append(cell);
  }
  part("list").append(row);
}

function show() {
  const { name, code } = PATCHES[at];
  const side = `${/** @type {HTMLInputElement} */ (part("size")).value}vh`;
  Object.assign(part("patch").style, { background: `rgb(${code.join(" ")})`, width: side, height: side });
  part("name").textContent = `${at + 1} / ${PATCHES.length}  ${name}  ${code.join(" ")}`;
}

part("begin").addEventListener("click", async () => {
  await document.documentElement.requestFullscreen().catch(() => {});
  at = 0;
  screen_.hidden = false;
  show();
});
addEventListener("keydown", (event) => {
  if (screen_.hidden) return;
  if (event.key === "Escape") screen_.hidden = true;
  else if (event.key === "ArrowLeft") at = Math.max(0, at - 1);
  else if (event.key === " " || event.key === "ArrowRight") at = Math.min(PATCHES.length - 1, at + 1);
  else return;
  event.preventDefault();
  show();
});
document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement) screen_.hidden = true; });
