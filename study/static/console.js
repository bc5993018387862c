// The console's two moving parts: progress that keeps itself current, and a preview that plays one trial.

const POLL_MS = 10_000;

/** Replace the progress part every ten seconds while the page can be seen. */
function keepCurrent(section) {
  const update = async () => {
    if (document.visibilityState !== "visible") return;
    try {
      const reply = await fetch(section.dataset.monitor, { headers: { Accept: "text/html" } });
      // A session that has ended is answered by the sign-in page: leave what is shown.
      if (reply.ok && !reply.redirected) section.innerHTML = await reply.text();
    } catch {
      // No network for a moment; the next round tries again.
    }
  };
  setInterval(update, POLL_MS);
}

/** Play one trial with its own timing, roughly: this shows a design, it measures nothing. */
function preparePreview(box) {
  const [first, second] = box.querySelectorAll("img");
  const shown = { "first picture": [first], "second picture": [second], picture: [first], "both pictures": [first, second] };
  const phases = [...document.querySelectorAll(".timeline li")];
  const button = box.querySelector("[data-play]");
  const show = (pictures) => {
    for (const picture of [first, second]) picture.classList.toggle("is-hidden", !pictures.includes(picture));
  };
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    for (const phase of phases) {
      show(shown[phase.dataset.phase] ?? []);
      phase.classList.add("is-now");
      await new Promise((done) => setTimeout(done, Number(phase.dataset.ms)));
      phase.classList.remove("is-now");
    }
    show([first, second]);
    button.disabled = false;
  });
}

for (const section of document.querySelectorAll("[data-live=yes]")) keepCurrent(section);
for (const box of document.querySelectorAll("[data-preview]")) preparePreview(box);
