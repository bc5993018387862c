/**
 * Paints what `view(state)` says.  `show` and `draw` are called inside requestAnimationFrame and nowhere else.
 *
 * A picture is drawn to its canvas ahead of time, under an opaque cover in the colour of the field that is a compositor
 * layer of its own; to show it, the cover is lifted. Masks lie beneath the picture that they follow: it is lifted in
 * turn, and then each mask. Places that a design does not use are not there at all.
 */

import { layout } from "./layout.js";
import { mask } from "./mask.js";

/** @typedef {ReturnType<typeof import("./trial.js").view>} View */

const COVERED = "1";
const LIFTED = "0";
const SIDES = /** @type {const} */ (["left", "right"]);
const PLACES = /** @type {const} */ (["left", "right", "middle", "reference"]);

export class Screen {
  /**
   * @param {HTMLElement} stage
   * @param {{words: Record<string, string>, device: any, width_px: number, height_px: number, size_unit: string, device_width_px?: number|null, design: string}} settings
   */
  constructor(stage, settings) {
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (stage.querySelector(`[data-part="${name}"]`));
    this.stage = stage;
    this.settings = settings;
    this.size = {
      width_px: settings.width_px,
      height_px: settings.height_px,
      size_unit: settings.size_unit,
      device_width_px: settings.device_width_px ?? null,
      is_single: settings.design === "single",
    };
    this.photodiode = /** @type {HTMLElement|null} */ (stage.querySelector('[data-part="photodiode"]'));
    stage.dataset.sizeUnit = settings.size_unit;
    this.place = { left: part("left"), right: part("right"), middle: part("middle"), reference: part("reference") };
    /** @template T @param {string} selector @returns {Record<string, T>} */
    const inside = (selector) => Object.fromEntries(PLACES.map((name) => [name, /** @type {any} */ (this.place[name].querySelector(selector))]));
    /** @type {Record<string, HTMLCanvasElement>} */
    this.canvas = inside("canvas.picture");
    /** @type {Record<string, HTMLElement>} */
    this.cover = inside(".cover");
    /** @type {HTMLCanvasElement[]} */
    this.masks = [...this.place.middle.querySelectorAll("canvas.mask")].map((canvas) => /** @type {HTMLCanvasElement} */ (canvas)).reverse();
    this.#use(settings.design === "single" ? ["middle"] : ["left", "right"]);
    this.count = part("count");
    this.button = {
      left: /** @type {HTMLButtonElement} */ (part("answer-left")),
      right: /** @type {HTMLButtonElement} */ (part("answer-right")),
    };
    this.cross = part("cross");
    this.line = part("line");
    this.notice = part("notice");
    this.practice = part("practice");
    this.progress = /** @type {HTMLProgressElement} */ (part("progress"));
    this.gate = part("gate");
    this.gate_title = part("gate-title");
    this.gate_text = part("gate-text");
    this.gate_out = part("gate-out");
    this.gate_button = /** @type {HTMLButtonElement} */ (part("gate-button"));
    /** @type {View|null} */
    this.shown = null;
    /** @type {Map<string, {title: string, text: string, button: string}>} */
    this.texts = new Map();
    const template = /** @type {HTMLTemplateElement} */ (stage.querySelector("template"));
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (template.content.querySelectorAll("[data-text]"))) {
      const { text = "", title = "", button = "" } = element.dataset;
      this.texts.set(text, { title, button, text: (element.textContent ?? "").trim() });
    }
    this.arrange();
  }

  /** Measures the window and puts everything in its place; says whether the pictures fit and kept their size. */
  arrange() {
    const window_size = { width: this.stage.clientWidth, height: this.stage.clientHeight, ratio: devicePixelRatio };
    const places = layout(window_size, this.size, this.settings.device ?? null);
    const same_size = places.left.width === this.places?.left.width && places.left.height === this.places?.left.height;
    this.places = places;
    for (const name of PLACES) {
      const { x, y, width, height } = places[name === "reference" ? "middle" : name];
      Object.assign(this.place[name].style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
    }
    for (const side of SIDES) {
      const { x, width } = places.buttons[side];
      const { y, height } = places[side];
      Object.assign(this.button[side].style, { left: `${x}px`, top: `${y + height}px`, width: `${width}px` });
    }
    for (const element of [this.cross, this.count]) {
      Object.assign(element.style, { left: `${places.cross.x}px`, top: `${places.cross.y}px` });
    }
    this.line.style.height = `${places.above}px`;
    return { fits: places.fits, same_size, shown_px: { width: places.left.width, height: places.left.height } };
  }

  /** Keeps the places that a trial needs. @param {string[]} names */
  #use(names) {
    for (const name of PLACES) this.place[name].hidden = !names.includes(name);
  }

  /**
   * Draws the pictures of a trial under their covers, and fresh masks beneath them.
   * @param {import("./trial.js").Trial} trial
   * @param {ImageBitmap[]} bitmaps  in the order of `trial.pictures`, then the reference
   */
  draw(trial, bitmaps) {
    const { width_px, height_px, size_unit, design } = trial;
    this.size = { ...this.size, width_px, height_px, size_unit, is_single: design === "single" };
    const arranged = this.arrange();
    const places = trial.pictures.map(({ side }) => /** @type {string} */ (side));
    if (trial.reference) places.push("reference");
    this.#use(places);
    const n_masks = trial.timing.n_masks ?? 0;
    this.masks.forEach((canvas, number) => {
      canvas.hidden = number >= n_masks;
      if (number >= n_masks) return;
      canvas.width = width_px;
      canvas.height = height_px;
      const pixels = new ImageData(mask(width_px, height_px, `${trial.trial_id} ${number}`), width_px, height_px);
      canvas.getContext("2d", { alpha: false, colorSpace: "srgb" })?.putImageData(pixels, 0, 0);
    });
    places.forEach((side, i) => {
      const canvas = this.canvas[side];
      const bitmap = bitmaps[i];
      if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
      if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false, colorSpace: "srgb" }));
      context.imageSmoothingEnabled = false;
      context.drawImage(bitmap, 0, 0);
    });
    return arranged;
  }

  /** @param {View} view */
  show(view) {
    const before = this.shown;
    this.shown = view;
    if (before?.phase !== view.phase) this.stage.dataset.phase = view.phase;
    if (before?.open !== view.open || before?.mask !== view.mask || !before) {
      for (const name of PLACES) {
        const isOpen = view.open === name || (view.open === "both" && (name === "left" || name === "right"));
        this.cover[name].style.opacity = isOpen ? LIFTED : COVERED;
      }
      // In the same frame as the cover, so that a photodiode sees when a picture is open.
      if (this.photodiode) this.photodiode.style.opacity = view.open === null || view.open === "reference" || view.mask !== null ? "0" : "1";
      // Whatever lies above the mask that is due is lifted like a cover.
      const n_lifted = view.mask === null ? 0 : view.mask + 1;
      this.canvas.middle.style.opacity = n_lifted > 0 ? LIFTED : COVERED;
      this.masks.forEach((canvas, number) => { canvas.style.opacity = number < n_lifted - 1 ? LIFTED : COVERED; });
      this.place.reference.style.zIndex = view.open === "reference" ? "1" : "";
      this.place.reference.style.opacity = view.open === "reference" ? "1" : "0";
    }
    if (before?.count !== view.count) this.count.textContent = view.count === null ? "" : String(view.count);
    if (before?.cross !== view.cross) this.cross.style.opacity = view.cross ? "1" : "0";
    if (before?.buttons !== view.buttons || before?.pressed !== view.pressed) this.#showButtons(view);
    if (JSON.stringify(before?.line) !== JSON.stringify(view.line)) this.#showLine(view);
    if (before?.notice !== view.notice) this.notice.textContent = view.notice ? (this.texts.get(view.notice)?.text ?? "") : "";
    if (before?.is_practice !== view.is_practice) {
      this.practice.style.opacity = view.is_practice ? "1" : "0";
      this.practice.ariaHidden = String(!view.is_practice); // what cannot be seen is not read out either
    }
    if (before?.progress !== view.progress) {
      this.progress.max = Math.max(1, view.progress.total);
      this.progress.value = view.progress.done;
    }
    if (before?.gate !== view.gate || before?.can_proceed !== view.can_proceed) this.#showGate(view);
  }

  /** @param {View} view */
  #showButtons(view) {
    for (const side of SIDES) {
      const button = this.button[side];
      // Hidden by opacity, so that a button keeps the keyboard's focus from trial to trial.
      const isSeen = view.buttons === "shown" || (view.buttons === "sent" && view.pressed === side);
      button.style.opacity = isSeen ? "1" : "0";
      button.setAttribute("aria-disabled", String(view.buttons !== "shown"));
      button.classList.toggle("is-pressed", view.buttons === "sent" && view.pressed === side);
    }
  }

  /** @param {View} view */
  #showLine(view) {
    const line = view.line;
    this.line.dataset.kind = line?.kind ?? "none";
    const target = /** @type {HTMLElement} */ (this.line.firstElementChild);
    target.textContent = line === null ? "" : (line.text ?? this.settings.words[line.key ?? ""] ?? "");
  }

  /** @param {View} view */
  #showGate(view) {
    this.gate.hidden = view.gate === null;
    if (view.gate === null) {
      if (this.gate.contains(document.activeElement)) this.stage.focus({ preventScroll: true });
      return;
    }
    const text = this.texts.get(view.gate) ?? { title: "", text: "", button: "" };
    this.gate_title.textContent = text.title;
    const own = { test: this.settings.words.practice_done, pause: this.settings.words.pause }[view.gate];
    this.gate_text.textContent = own || text.text;
    this.gate_out.hidden = view.gate !== "small";
    this.gate_button.textContent = text.button;
    this.gate_button.hidden = !view.can_proceed || text.button === "";
    if (!this.gate_button.hidden) this.gate_button.focus({ preventScroll: true });
  }
}
