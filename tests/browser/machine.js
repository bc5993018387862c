/** A world for study/static/trial.js: frames at a steady rate, a turn on request, everything frozen and noted. */

import { initial, step, view } from "/static/trial.js";

export { initial, step, view };

export const TIMING = { blank_before_ms: 900, exposure_ms: 1000, blank_between_ms: 600, buttons_after_ms: 100, feedback_ms: 2400 };

export function turn(name, { is_practice = false, instruction = null, feedback = null, done = 0, timing = {} } = {}) {
  return {
    trial: name === null ? null : {
      trial_id: name, is_practice, design: "sequential_pair", question: "fake", prompt: "Which?", instruction,
      pictures: [{ url: `/${name}/1`, side: "right" }, { url: `/${name}/2`, side: "left" }],
      width_px: 256, height_px: 256, size_unit: "css_px", timing: { ...TIMING, ...timing },
    },
    next_url: "/p/token/", feedback, progress: { done, total: 9 }, prefetch: ["/next/1", "/next/2"],
  };
}

function freeze(value) {
  if (value !== null && typeof value === "object" && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(freeze);
  }
  return value;
}

export class World {
  constructor({ hz = 60, handover_ms = 2 } = {}) {
    this.interval = 1000 / hz;
    this.handover_ms = handover_ms;
    this.t = 5000;
    this.state = freeze(initial());
    this.effects = [];
    this.phases = [];
  }

  do(event) {
    const [next, effects] = step(this.state, freeze(event));
    this.state = freeze(next);
    this.effects.push(...effects);
    if (this.phases.at(-1) !== next.phase) this.phases.push(next.phase);
    freeze(view(next));
    return this;
  }

  /** One frame; `skip` frames are missed before it. */
  frame(skip = 0, handover_ms = this.handover_ms) {
    this.t += this.interval * (1 + skip);
    this.do({ type: "frame", t: this.t });
    if (this.state.edge?.frame === this.t) this.do({ type: "painted", frame: this.t, t: this.t + handover_ms });
    return this;
  }

  until(phase, limit = 2000) {
    for (let i = 0; this.state.phase !== phase; i++) {
      if (i === limit) throw new Error(`never came to ${phase}, stayed in ${this.state.phase}`);
      this.frame();
    }
    return this;
  }

  frames(n) {
    for (let i = 0; i < n; i++) this.frame();
    return this;
  }

  start(options = {}) {
    return this.do({ type: "start", page_id: "page", report: null, attentive: true, fits: true, ...options });
  }

  /** To the gate before the first trial. */
  ready(first = turn("one")) {
    return this.start().until("fetching").do({ type: "turn", turn: first });
  }

  /** To the first blank of a trial that has just begun to load. */
  go() {
    this.do({ type: "loaded", trial_id: this.state.trial.trial_id });
    if (this.state.gate !== null) this.do({ type: "proceed" });
    return this.until("blank");
  }

  answer(side = "left", rt = 500) {
    return this.do({ type: "answer", side, t: this.state.buttons_at + rt });
  }

  of(type) {
    return this.effects.filter((effect) => effect.type === type);
  }
}
