// The console's moving parts: progress that keeps itself current, an estimate that follows the form, a preview of a trial.

const POLL_MS = 10_000;
const WORK_MS = 1_500;
const TYPING_MS = 500;

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

/** Replace a part of the page while something in it is unfinished. */
function keepUntilDone(part) {
  const timer = setInterval(async () => {
    if (!part.querySelector("[data-unfinished]")) return clearInterval(timer);
    try {
      const reply = await fetch(part.dataset.current, { headers: { Accept: "text/html" } });
      if (reply.ok && !reply.redirected) part.innerHTML = await reply.text();
    } catch {
      // The next round tries again.
    }
  }, WORK_MS);
}

/** Say what the form amounts to while it is filled in: time and money at once, certainty some seconds later. */
function prepareEstimate(form) {
  const part = document.getElementById("estimate");
  let timer = 0;
  let newest = 0;
  const ask = async (power) => {
    const number = newest;
    const body = new FormData(form);
    body.set("power", power);
    try {
      const reply = await fetch(form.dataset.estimate, { method: "POST", body });
      const text = await reply.text();
      if (reply.ok && !reply.redirected && number === newest) part.innerHTML = text;
    } catch {
      // The next change tries again.
    }
  };
  const update = async () => {
    newest += 1;
    const number = newest;
    await ask("no");
    if (number === newest && part.querySelector("dl")) await ask("yes");
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(update, TYPING_MS);
  });
  update();
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
for (const part of document.querySelectorAll("[data-current]")) keepUntilDone(part);
for (const form of document.querySelectorAll("[data-estimate]")) prepareEstimate(form);
