/** How many have begun and are done, kept current while the projector shows the address. */

const counts = /** @type {HTMLElement} */ (document.querySelector("[data-part=counts]"));
const EVERY_MS = 3000;

async function look() {
  try {
    const reply = await fetch(counts.dataset.url ?? "");
    if (!reply.ok) return;
    for (const [name, n] of Object.entries(await reply.json())) {
      const shown = /** @type {HTMLElement} */ (counts.querySelector(`[data-part=${name}]`));
      if (shown.textContent !== String(n)) shown.textContent = String(n);
    }
  } catch {
    // the next look may find the server again
  }
}

setInterval(() => void look(), EVERY_MS);
