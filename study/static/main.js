/** Wires the page: events in, effects out, one animation frame after the other. */

import { Api, RequestFailed } from "./api.js";
import { screenFacts } from "./display.js";
import { Screen } from "./screen.js";
import { initial, step, view } from "./trial.js";

const stage = /** @type {HTMLElement} */ (document.getElementById("stage"));
const settings = JSON.parse(stage.dataset.settings ?? "{}");
const screen_ = new Screen(stage, settings);
const page_url = stage.dataset.pageUrl ?? location.pathname;
const page_id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const api = new Api({
  trial_url: stage.dataset.trialUrl ?? "api/trial",
  response_url: stage.dataset.responseUrl ?? "api/response",
  checks_url: stage.dataset.checksUrl ?? "api/checks",
  page_id,
  name: page_url,
});

let state = initial();
/** @type {Map<string, number>} */
const timers = new Map();
/** @type {{trial: import("./trial.js").Trial, bitmaps: ImageBitmap[]}|null} */
let to_draw = null;
let must_arrange = false;

/** @param {import("./trial.js").Event} event */
function dispatch(event) {
  const [next, effects] = step(state, event);
  state = next;
  for (const effect of effects) perform(effect);
}

/** At most one of a kind waits: a newer wish replaces the older one. @param {string} kind @param {number} ms @param {() => void} act */
function later(kind, ms, act) {
  clearTimeout(timers.get(kind));
  if (ms > 0) timers.set(kind, setTimeout(act, ms));
  else act();
}

/** @param {import("./trial.js").Effect} effect */
function perform(effect) {
  switch (effect.type) {
    case "fetch_turn":
      return later("turn", effect.delay_ms, () => settle(api.turn(device(effect.refresh_hz))));
    case "send":
      return later("turn", effect.delay_ms, () => settle(api.send(effect.report)));
    case "keep_report":
      return api.keepReport(effect.report);
    case "forget_report":
      return api.keepReport(null);
    case "note":
      return api.note(effect.trial_id, effect.shown);
    case "load":
      return later("load", effect.delay_ms, () => load(effect.trial));
    case "prefetch":
      for (const url of effect.urls) api.picture(url).catch(() => {});
      return;
    case "follow":
      location.replace(effect.url || page_url);
      return;
    default:
      throw new Error(`main.js: unknown effect ${effect.type}`);
  }
}

let asked = 0;

/** Turns the outcome of the newest request into an event. @param {Promise<any>} request */
function settle(request) {
  const mine = ++asked;
  request.then(
    (turn) => mine === asked && dispatch({ type: "turn", turn }),
    (error) => mine === asked && dispatch({ type: "turn_failed", status: error instanceof RequestFailed ? error.status : null }),
  );
}

/** @param {import("./trial.js").Trial} trial */
function load(trial) {
  const urls = trial.pictures.map(({ url }) => url);
  if (trial.reference) urls.push(trial.reference);
  api.keepOnly([...urls, ...state.prefetch]);
  Promise.all(urls.map((url) => api.picture(url))).then(
    (bitmaps) => { to_draw = { trial, bitmaps }; },
    () => dispatch({ type: "load_failed", trial_id: trial.trial_id, offline: !navigator.onLine }),
  );
}

/** @param {number|null} refresh_hz */
function device(refresh_hz) {
  return {
    screen_width_px: screen.width,
    screen_height_px: screen.height,
    viewport_width_px: innerWidth,
    viewport_height_px: innerHeight,
    device_pixel_ratio: devicePixelRatio,
    refresh_hz,
    language: navigator.language,
  };
}

// A message posted inside a frame arrives when that frame has been handed to the compositor.
const afterFrame = new MessageChannel();
afterFrame.port2.onmessage = ({ data }) => dispatch({ type: "painted", frame: data, t: performance.now() });

/** @param {number} t */
function tick(t) {
  if (must_arrange) {
    must_arrange = false;
    dispatch({ type: "resize", ...screen_.arrange() });
  }
  if (to_draw) {
    const { trial, bitmaps } = to_draw;
    to_draw = null;
    dispatch({ type: "resize", ...screen_.draw(trial, bitmaps) });
    dispatch({ type: "loaded", trial_id: trial.trial_id });
  }
  dispatch({ type: "frame", t });
  screen_.show(view(state));
  if (state.edge?.frame === t) afterFrame.port1.postMessage(t);
  requestAnimationFrame(tick);
}

// ---- what the person does

/** F, J and the arrows by what is printed on the key; by its place where the script is not Latin. @param {KeyboardEvent} event */
function sideOf(event) {
  if (event.key === "ArrowLeft") return "left";
  if (event.key === "ArrowRight") return "right";
  const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : { KeyF: "f", KeyJ: "j" }[event.code];
  return letter === "f" ? "left" : letter === "j" ? "right" : null;
}

addEventListener("keydown", (event) => {
  if (event.repeat) {
    if (event.key === "Enter" || event.key === " ") event.preventDefault();   // a held key is one press
    return;
  }
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const side = sideOf(event);
  if (!side || state.gate !== null) return;
  event.preventDefault();                   // no scrolling by arrows, no quick find
  dispatch({ type: "answer", side, t: event.timeStamp });
});

for (const side of /** @type {const} */ (["left", "right"])) {
  screen_.button[side].addEventListener("click", (event) => dispatch({ type: "answer", side, t: event.timeStamp }));
}
// ---- full screen, where the study asks for it and the browser can

const wants_full = settings.device?.full_screen === true && document.fullscreenEnabled;
const isFull = () => !wants_full || document.fullscreenElement !== null || matchMedia("(display-mode: fullscreen)").matches;
let is_told = false;

screen_.gate_button.addEventListener("click", async () => {
  if (settings.device?.full_screen === true && !is_told) {
    is_told = true;
    const answer = wants_full ? await document.documentElement.requestFullscreen().then(() => "allowed", () => "refused") : "unavailable";
    api.checks({ full_screen: answer });
  } else if (!isFull()) await document.documentElement.requestFullscreen().catch(() => {});
  must_arrange = true;
  dispatch({ type: "proceed" });
});
document.addEventListener("fullscreenchange", () => {
  must_arrange = true;
  if (!isFull()) dispatch({ type: "away", gate: "full_screen" });
});

// ---- what happens to the page

const isThere = () => document.visibilityState === "visible" && document.hasFocus();

// A page that is left for good is hidden too, but that is a reload, which the server sees by itself.
let is_leaving = false;
addEventListener("pagehide", () => { is_leaving = true; });
const away = () => { if (!is_leaving) dispatch({ type: "away" }); };
const back = () => { if (!is_told || isFull()) dispatch({ type: "back" }); };
document.addEventListener("visibilitychange", () => (isThere() ? back() : away()));
addEventListener("blur", away);
addEventListener("focus", back);
addEventListener("resize", () => { must_arrange = true; });
addEventListener("online", () => dispatch({ type: "online" }));
// A page that comes back from the browser's memory is older than the session: fetch it anew.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// A device without a mouse or a trackpad, where the study refuses those: nothing has begun.
if (settings.device?.touch === "refused" && !matchMedia("(any-pointer: fine)").matches) location.replace(stage.dataset.unsuitedUrl ?? "");

dispatch({
  type: "start",
  page_id,
  report: api.report,
  attentive: document.visibilityState === "visible",
  fits: screen_.places.fits,
});
requestAnimationFrame(tick);
api.checks({ display: screenFacts() });
