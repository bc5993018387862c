/**
 * One trial and the run of trials, as a pure state machine.
 *
 *     [state, effects] = step(state, event)      view(state) says what the screen shows
 *
 * No DOM, no clock, no network: time arrives in events (ms on the page's timeline, as
 * `requestAnimationFrame` and `event.timeStamp` give it), wishes leave as effects.
 *
 *     measuring → fetching → loading → blank → first → gap → second → hold → answering → sending → feedback → …
 *
 * What lies between `blank` and `answering` follows from the trial (`stagesOf`): a countdown, a reference picture and
 * its gap, one or two exposures, masks.  An exposure without end is one with the answer: `first` is left by `answer`,
 * and `covering` waits for the frame that covers the pictures.
 *
 * `measuring` takes the refresh interval.  `loading` also waits behind a gate (a line of text and a button) at the start, after an interruption and
 * between practice and test.  From `first` to `second` a disturbance makes the trial void: reported, replaced
 * by the server, never scored.  `done` and `broken` are the two ends.
 *
 * @typedef {"left"|"right"} Side
 *
 * @typedef {object} Trial        docs/participant-http.md
 * @property {string} trial_id
 * @property {boolean} is_practice
 * @property {"sequential_pair"|"simultaneous_pair"|"single"} design
 * @property {"fake"|"real"|"real_or_fake"|"natural"} question
 * @property {string} prompt
 * @property {string|null} instruction
 * @property {{url: string, side: Side|"middle"}[]} pictures   in order of presentation
 * @property {string|null} [reference]   address of the picture shown alone before them
 * @property {boolean} [pause]           a break before this trial
 * @property {number} width_px
 * @property {number} height_px
 * @property {"css_px"|"device_px"} size_unit
 * @property {{blank_before_ms: number, exposure_ms: number, blank_between_ms: number, buttons_after_ms: number,
 *             feedback_ms: number, countdown_from?: number, countdown_ms?: number, reference_ms?: number,
 *             n_masks?: number, mask_ms?: number}} timing
 *
 * @typedef {object} Turn
 * @property {Trial|null} trial
 * @property {string} next_url
 * @property {{correct: boolean}|null} feedback
 * @property {{done: number, total: number}} progress
 * @property {string[]} prefetch
 *
 * @typedef {object} Exposure
 * @property {number} onset_ms          timestamp of the frame that painted the picture
 * @property {number} offset_ms         timestamp of the frame that covered it
 * @property {number} achieved_ms       offset − onset
 * @property {number} frames            animation frames from the onset to the one before the offset
 * @property {number} dropped_frames    frames the refresh rate promised and the page missed
 *
 * @typedef {object} Report       docs/participant-http.md
 *
 * @typedef {{type: string, [field: string]: any}} Event
 * @typedef {{type: string, [field: string]: any}} Effect
 */

/** Waits before the retries of a failed request; the last one repeats. */
export const BACKOFF_MS = [500, 1000, 2000, 4000, 8000];

/** A picture that failed this many times after its first try makes the trial void. */
export const LOAD_RETRIES = 3;

/** Frames between the drawing of a picture under its cover and its first showing. */
export const PRIMING_FRAMES = 3;

/** No frame for so long: the machine slept (a closed laptop), and no event of the page need say so. */
export const ASLEEP_MS = 3000;

/** Frames needed for a measured refresh interval, and those kept. */
export const INTERVALS_NEEDED = 20;
const INTERVALS_KEPT = 120;

/** Blanks and exposures: here a disturbance makes the trial void. */
const EXPOSED = new Set(["reference", "reference_gap", "first", "gap", "second", "mask"]);

/** Nothing was shown yet: here a disturbance only begins the same trial anew. */
const UNTOUCHED = new Set(["blank", "countdown"]);

const round3 = (/** @type {number} */ x) => Math.round(x * 1000) / 1000;

/** The state before anything happened. */
export function initial() {
  return {
    phase: "measuring",
    page_id: "",
    // the page
    attentive: true,          // visible and focused
    away_gate: "paused",      // the gate's text for whom was not
    fits: true,               // the window is large enough for the pictures
    shown_px: { width: 0, height: 0 },        // size of a picture on this page, CSS px
    intervals: /** @type {number[]} */ ([]),
    last_frame: /** @type {number|null} */ (null),
    // the run
    gate: /** @type {string|null} */ (null),
    gate_at_next: /** @type {string|null} */ ("start"),
    progress: { done: 0, total: 0 },
    prefetch: /** @type {string[]} */ ([]),
    next_url: "",
    attempts: 0,              // failures of the request under way
    // the trial
    trial: /** @type {Trial|null} */ (null),
    loaded: false,
    since: 0,                 // timestamp of the frame that began the phase
    frames: 0,                // frames seen in the phase, the first included
    stage: 0,                 // place of the phase in `stagesOf(trial)`
    mask_frames: 0,
    exposures: /** @type {Exposure[]} */ ([]),
    late: /** @type {number[]} */ ([]),       // per exposure: frames by which its onset reached the compositor late
    edge: /** @type {{frame: number, what: string}|null} */ (null),   // a paint whose hand-over is awaited
    buttons_at: /** @type {number|null} */ (null),
    rt: /** @type {number|null} */ (null),    // of an answer given while the pictures were open
    visible: true,
    response: /** @type {Side|null} */ (null),
    report: /** @type {Report|null} */ (null),
    // the feedback
    turn: /** @type {Turn|null} */ (null),
    correct: /** @type {boolean|null} */ (null),
    error: /** @type {string|null} */ (null),
  };
}

/** @typedef {ReturnType<typeof initial>} State */

/**
 * The refresh interval: the median of the measured intervals, made finer than the clock's grain by the mean of
 * those within a tenth of it.  Null until there are enough.
 * @param {number[]} intervals
 * @returns {number|null}
 */
export function refreshInterval(intervals) {
  if (intervals.length < INTERVALS_NEEDED) return null;
  const sorted = [...intervals].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const near = sorted.filter((x) => Math.abs(x - median) <= median / 10);
  return near.reduce((sum, x) => sum + x, 0) / near.length;
}

/** @param {number} attempts  failures so far, at least 1 */
export const backoff = (attempts) => BACKOFF_MS[Math.min(attempts, BACKOFF_MS.length) - 1];

/** A status that a later try of the same request may mend; null is a lost network. */
const isTransient = (/** @type {number|null} */ status) =>
  status === null || status === 408 || status === 429 || status >= 500;

/**
 * @param {State} state
 * @param {Event} event
 * @returns {[State, Effect[]]}
 */
export function step(state, event) {
  const handle = HANDLERS[event.type];
  if (!handle) throw new Error(`trial.js: unknown event ${event.type}`);
  return handle(state, event);
}

/** @type {Record<string, (state: State, event: Event) => [State, Effect[]]>} */
const HANDLERS = {
  /** The page is ready.  An answer that an earlier page load could not deliver (`report`) goes first. */
  start(state, { page_id, report, attentive, fits }) {
    const next = { ...state, page_id, attentive, fits };
    if (report) return [{ ...next, phase: "sending", report, gate_at_next: "resume" }, [{ type: "send", report, delay_ms: 0 }]];
    return [next, []];
  },

  turn(state, { turn }) {
    if (state.phase !== "fetching" && state.phase !== "sending") return [state, []];
    // The answer of an earlier page load has arrived.  Its turn is the earlier load's: ask for our own.
    if (state.phase === "sending" && state.trial === null) {
      /** @type {Effect[]} */
      const note = turn.trial ? [{ type: "note", trial_id: turn.trial.trial_id, shown: false }] : [];
      return [{ ...state, phase: "measuring", report: null, attempts: 0 }, [{ type: "forget_report" }, ...note]];
    }
    /** @type {Effect[]} */
    const effects = state.phase === "sending" ? [{ type: "forget_report" }] : [];
    const answered = { ...state, report: null, attempts: 0, progress: turn.progress };
    if (turn.feedback && state.trial && state.response && state.trial.timing.feedback_ms > 0) {
      return [{ ...enter(answered, "feedback", null), turn, correct: turn.feedback.correct }, effects];
    }
    const [next, more] = begin(answered, turn);
    return [next, [...effects, ...more]];
  },

  /** The server did not give a turn. */
  turn_failed(state, { status }) {
    if (state.phase === "fetching") {
      if (isTransient(status)) return again(state, (s) => fetchTurn(s, backoff(s.attempts)));
      // 409: the session is in another stage; the page of that stage is the way on.
      if (status === 409) return [{ ...state, phase: "done" }, [{ type: "follow", url: "" }]];
      return broken(state, status === 404 ? "gone" : "unexpected");
    }
    if (state.phase !== "sending") return [state, []];
    if (isTransient(status)) return again(state, (s) => ({ type: "send", report: s.report, delay_ms: backoff(s.attempts) }));
    const forgotten = { ...state, report: null, attempts: 0 };
    // 409: another page load of this session has answered or voided the trial.
    if (status === 409 && state.trial === null) return [{ ...forgotten, phase: "measuring" }, [{ type: "forget_report" }]];
    if (status === 409) {
      return [{ ...forgotten, phase: "elsewhere", gate: "elsewhere" }, [{ type: "forget_report" }]];
    }
    const [next, effects] = broken(forgotten, status === 404 ? "gone" : "unexpected");
    return [next, [{ type: "forget_report" }, ...effects]];
  },

  /** The network is back: what waits for its next try is tried at once. */
  online(state) {
    if (state.attempts === 0) return [state, []];
    if (state.phase === "fetching") return [state, [fetchTurn(state, 0)]];
    if (state.phase === "sending") return [state, [{ type: "send", report: state.report, delay_ms: 0 }]];
    if (state.phase === "loading" && !state.loaded) return [state, [{ type: "load", trial: state.trial, delay_ms: 0 }]];
    return [state, []];
  },

  loaded(state, { trial_id }) {
    if (state.phase !== "loading" || state.trial?.trial_id !== trial_id) return [state, []];
    return [{ ...state, loaded: true, attempts: 0 }, []];
  },

  /** A picture could not be fetched or decoded; while the browser knows it is offline that does not count. */
  load_failed(state, { trial_id, offline }) {
    if (state.phase !== "loading" || state.trial?.trial_id !== trial_id) return [state, []];
    if (offline) return [{ ...state, attempts: Math.max(1, state.attempts) }, [{ type: "load", trial: state.trial, delay_ms: 1000 }]];
    if (state.attempts >= LOAD_RETRIES) return voided(state, "load_failed");
    return again(state, (s) => ({ type: "load", trial: s.trial, delay_ms: backoff(s.attempts) }));
  },

  /** The gate's button. */
  proceed(state) {
    if (state.phase === "elsewhere") return [{ ...state, phase: "fetching", gate: null }, [fetchTurn(state, 0)]];
    if (state.gate === null || !state.fits) return [state, []];
    return [{ ...state, gate: null, attentive: true }, []];
  },

  /** One animation frame; everything timed is decided here. */
  frame(state, { t }) {
    const interval = state.last_frame === null ? null : t - state.last_frame;
    const next = { ...state, last_frame: t };
    if (state.phase === "measuring" || state.phase === "fetching" || state.phase === "loading") {
      if (interval !== null && interval > 0 && state.intervals.length < INTERVALS_KEPT) {
        next.intervals = [...state.intervals, interval];
      }
    }
    if (interval !== null && interval > ASLEEP_MS && (EXPOSED.has(state.phase) || UNTOUCHED.has(state.phase))) {
      return HANDLERS.away(next, { type: "away" });
    }
    return ON_FRAME[state.phase] ? ON_FRAME[state.phase](next, t) : [next, []];
  },

  /** The frame painted at `frame` has been handed to the compositor at `t`. */
  painted(state, { frame, t }) {
    if (state.edge === null || state.edge.frame !== frame) return [state, []];
    const { what } = state.edge;
    const next = { ...state, edge: null };
    const late = Math.max(0, Math.floor((t - frame) / (refreshInterval(state.intervals) ?? Infinity)));
    // Only now, with the clock running, is there time to fetch what comes next.
    if (what === "onset" && isEndless(state)) {
      const { trial_id } = trialOf(state);
      /** @type {Effect[]} */
      const effects = [{ type: "note", trial_id, shown: true }, { type: "prefetch", urls: state.prefetch }];
      return [{ ...next, late: [...state.late, late], buttons_at: t }, effects];
    }
    if (what === "reference") return [next, [{ type: "note", trial_id: trialOf(state).trial_id, shown: true }]];
    if (what === "buttons") return [{ ...next, buttons_at: t }, [{ type: "prefetch", urls: state.prefetch }]];
    if (what === "onset") {
      /** @type {Effect[]} */
      const effects = state.phase === "first" ? [{ type: "note", trial_id: trialOf(state).trial_id, shown: true }] : [];
      return [{ ...next, late: [...state.late, late] }, effects];
    }
    const exposures = state.exposures.slice();
    const last = exposures.length - 1;
    exposures[last] = { ...exposures[last], dropped_frames: exposures[last].dropped_frames + late };
    return [{ ...next, exposures }, []];
  },

  /** A side was chosen; `t` is the input event's own timestamp. */
  answer(state, { side, t }) {
    if (!isAnswerable(state) || state.buttons_at === null || !(t > state.buttons_at)) return [state, []];
    const rt = t - state.buttons_at;
    // The pictures are still open: the report waits for the frame that covers them.
    if (state.phase === "first") return [{ ...state, phase: "covering", response: side, rt }, []];
    return submit({ ...state, response: side }, side, null, rt);
  },

  /** The page lost the person: hidden, or its window lost the focus. */
  away(state, { gate = "paused" }) {
    const next = { ...state, attentive: false, away_gate: gate };
    // An exposure without end is there again when the person is; that they were away is on record.
    if (isEndless(state)) return [{ ...next, visible: false }, []];
    if (EXPOSED.has(state.phase)) return voided(next, "hidden");
    // Nothing was shown yet: the same trial starts anew behind a gate.
    if (UNTOUCHED.has(state.phase)) return [{ ...next, phase: "loading", gate }, []];
    if (state.phase === "hold" || state.phase === "answering") return [{ ...next, visible: false }, []];
    return [next, []];
  },

  /** The person is back.  What they missed waits behind a gate, see `begin` and `loading`. */
  back(state) {
    return [{ ...state, attentive: true }, []];
  },

  /** The window or the pictures changed: have they room (`fits`), are they as large as before, how large are they? */
  resize(state, { fits, same_size, shown_px }) {
    // Once both pictures are over, the size that they had stays on record.
    const isOver = state.phase === "covering" || state.phase === "hold" || state.phase === "answering" || state.phase === "sending";
    const next = { ...state, fits, shown_px: isOver ? state.shown_px : shown_px };
    if (EXPOSED.has(state.phase) && (!fits || !same_size)) return voided(next, "resized");
    if (UNTOUCHED.has(state.phase) && !fits) return [{ ...next, phase: "loading", gate: "resized" }, []];
    return [next, []];
  },
};

/** @type {Record<string, (state: State, t: number) => [State, Effect[]]>} */
const ON_FRAME = {
  measuring(state) {
    if (refreshInterval(state.intervals) === null) return [state, []];
    return [{ ...state, phase: "fetching" }, [fetchTurn(state, 0)]];
  },

  loading(state, t) {
    // An absence or a small window while nothing was shown: wait for the person's own sign.
    if (state.gate === null && !state.attentive) return [{ ...state, gate: state.away_gate }, []];
    if (state.gate === null && !state.fits) return [{ ...state, gate: "resized" }, []];
    if (state.gate !== null || !state.loaded || refreshInterval(state.intervals) === null) return [state, []];
    return [{ ...enter(state, "blank", t), stage: 0 }, []];
  },

  blank: passed,
  countdown: passed,
  reference: passed,
  reference_gap: passed,
  first: passed,
  gap: passed,
  second: passed,
  mask: passed,
  hold: passed,

  /** The frame that covers pictures which were open until the answer. */
  covering(state, t) {
    return submit(offset({ ...state, frames: state.frames }, t), state.response, null, state.rt);
  },

  feedback(state, t) {
    if (state.frames === 0) return [{ ...state, since: t, frames: 1 }, []];
    if (!isOver(state, t, trialOf(state).timing.feedback_ms)) return [{ ...state, frames: state.frames + 1 }, []];
    return begin({ ...state, correct: null, turn: null }, /** @type {Turn} */ (state.turn));
  },
};

/**
 * The timed stages of a trial, from the first blank to the buttons.  A stage without time is left out, but for
 * exposures: one of 0 ms lasts until the answer.
 * @param {Trial} trial
 * @returns {{phase: string, ms: number, number?: number}[]}
 */
export function stagesOf(trial) {
  const { timing } = trial;
  const stages = [{ phase: "blank", ms: timing.blank_before_ms }];
  for (let number = timing.countdown_from ?? 0; number > 0; number--) {
    stages.push({ phase: "countdown", ms: timing.countdown_ms ?? 0, number });
  }
  if (trial.reference) {
    stages.push({ phase: "reference", ms: timing.reference_ms ?? 0 }, { phase: "reference_gap", ms: timing.blank_between_ms });
  }
  stages.push({ phase: "first", ms: timing.exposure_ms });
  if (trial.design === "sequential_pair") {
    stages.push({ phase: "gap", ms: timing.blank_between_ms }, { phase: "second", ms: timing.exposure_ms });
  }
  for (let number = 0; number < (timing.n_masks ?? 0); number++) {
    stages.push({ phase: "mask", ms: timing.mask_ms ?? 0, number });
  }
  stages.push({ phase: "hold", ms: timing.buttons_after_ms });
  return stages.filter(({ phase, ms }) => ms > 0 || phase === "blank" || phase === "first" || phase === "second" || phase === "hold");
}

/**
 * One frame of a timed stage.
 * @param {State} state
 * @param {number} t
 * @returns {[State, Effect[]]}
 */
function passed(state, t) {
  const next = { ...state, frames: state.frames + 1 };
  const stages = stagesOf(trialOf(state));
  if (isEndless(state) || !isOver(state, t, stages[state.stage].ms)) return [next, []];
  if (state.phase === "blank" && next.frames <= PRIMING_FRAMES) return [next, []];
  let left = state;
  if (state.phase === "first" || state.phase === "second") left = offset(state, t);
  if (state.phase === "mask") left = { ...state, mask_frames: state.mask_frames + state.frames };
  if (state.phase === "hold") return [{ ...enter(left, "answering", t), edge: { frame: t, what: "buttons" } }, []];
  const { phase } = stages[state.stage + 1];
  const entered = { ...enter(left, phase, t), stage: state.stage + 1 };
  if (phase === "first" || phase === "second") return [{ ...entered, edge: { frame: t, what: "onset" } }, []];
  // A reference shows the photograph, though not its colours: the trial counts as shown.
  if (phase === "reference") return [{ ...entered, edge: { frame: t, what: "reference" } }, []];
  return [entered, []];
}

/** Do the pictures stay until the answer? @param {State} state */
const isEndless = (state) => state.phase === "first" && trialOf(state).timing.exposure_ms === 0;

/** @param {State} state */
const isAnswerable = (state) => state.phase === "answering" || isEndless(state);

/** @param {State} state */
const trialOf = (state) => /** @type {Trial} */ (state.trial);

/**
 * Has `nominal` passed since the phase began?  The nearest frame decides, hence half an interval of grace.
 * @param {State} state
 * @param {number} t
 * @param {number} nominal
 */
function isOver(state, t, nominal) {
  return t - state.since >= nominal - (refreshInterval(state.intervals) ?? 0) / 2;
}

/**
 * @param {State} state
 * @param {string} phase
 * @param {number|null} t  null: the phase begins with the next frame
 * @returns {State}
 */
function enter(state, phase, t) {
  return { ...state, phase, since: t ?? 0, frames: t === null ? 0 : 1 };
}

/** Closes the exposure that began at `state.since`. @param {State} state @param {number} t @returns {State} */
function offset(state, t) {
  const achieved = t - state.since;
  const expected = Math.round(achieved / (refreshInterval(state.intervals) ?? achieved));
  const late = state.late[state.exposures.length] ?? 0;
  const exposure = {
    onset_ms: round3(state.since),
    offset_ms: round3(t),
    achieved_ms: round3(achieved),
    frames: state.frames,
    dropped_frames: Math.max(0, expected - state.frames, late),
  };
  return { ...state, exposures: [...state.exposures, exposure], edge: { frame: t, what: "offset" } };
}

/**
 * Takes up the trial of a turn, or ends the run.
 * @param {State} state
 * @param {Turn} turn
 * @returns {[State, Effect[]]}
 */
function begin(state, turn) {
  const run = { ...state, progress: turn.progress, prefetch: turn.prefetch, next_url: turn.next_url };
  if (turn.trial === null) return [{ ...run, phase: "done", trial: null }, [{ type: "follow", url: turn.next_url }]];
  let gate = state.gate_at_next;
  if (gate === "start" && turn.progress.done > 0) gate = "resume";
  if (gate === null && state.trial?.is_practice && !turn.trial.is_practice) gate = "test";
  if (gate === null && turn.trial.pause) gate = "pause";
  return [
    {
      ...run,
      phase: "loading",
      trial: turn.trial,
      gate,
      gate_at_next: null,
      loaded: false,
      attempts: 0,
      exposures: [],
      late: [],
      edge: null,
      buttons_at: null,
      rt: null,
      stage: 0,
      mask_frames: 0,
      visible: true,
      response: null,
      correct: null,
      turn: null,
    },
    [
      { type: "note", trial_id: turn.trial.trial_id, shown: false },
      { type: "load", trial: turn.trial, delay_ms: 0 },
    ],
  ];
}

/**
 * @param {State} state
 * @param {Side|null} response
 * @param {string|null} void_reason
 * @param {number|null} rt
 * @returns {[State, Effect[]]}
 */
function submit(state, response, void_reason, rt) {
  const trial = trialOf(state);
  const report = {
    trial_id: trial.trial_id,
    // One report per trial and page load, so this names the attempt without a second random number.
    idempotency_key: `${state.page_id}-${trial.trial_id}`,
    page_id: state.page_id,
    response,
    void_reason,
    rt_ms: rt === null ? null : round3(rt),
    exposures: state.exposures,
    refresh_hz: refreshHz(state),
    mask_frames: (trial.timing.n_masks ?? 0) > 0 && response !== null ? state.mask_frames : null,
    shown_width_px: state.shown_px.width,
    shown_height_px: state.shown_px.height,
    visible: state.visible && void_reason !== "hidden",
  };
  return [
    { ...state, phase: "sending", report, attempts: 0, edge: null },
    [{ type: "keep_report", report }, { type: "send", report, delay_ms: 0 }],
  ];
}

/** @param {State} state @param {string} reason @returns {[State, Effect[]]} */
function voided(state, reason) {
  return submit({ ...state, gate: null, gate_at_next: reason, response: null }, null, reason, null);
}

/** @param {State} state @param {number} delay_ms @returns {Effect} */
function fetchTurn(state, delay_ms) {
  return { type: "fetch_turn", delay_ms, refresh_hz: refreshHz(state) };
}

/** @param {State} state */
function refreshHz(state) {
  const interval = refreshInterval(state.intervals);
  return interval === null ? null : round3(1000 / interval);
}

/** @param {State} state @param {(state: State) => Effect} retry @returns {[State, Effect[]]} */
function again(state, retry) {
  const next = { ...state, attempts: state.attempts + 1 };
  return [next, [retry(next)]];
}

/** @param {State} state @param {string} error @returns {[State, Effect[]]} */
function broken(state, error) {
  return [{ ...state, phase: "broken", gate: error, error }, []];
}

/**
 * Which place is uncovered: a side, both sides, the middle, or the reference.
 * @param {State} state
 * @returns {Side|"both"|"middle"|"reference"|null}
 */
function openPlace(state) {
  if (state.phase === "reference") return "reference";
  if (state.phase === "mask") return "middle";
  if (state.phase === "second") return /** @type {Side} */ (trialOf(state).pictures[1].side);
  if (state.phase !== "first") return null;
  return trialOf(state).design === "simultaneous_pair" ? "both" : trialOf(state).pictures[0].side;
}

/**
 * What the screen shows; texts are keys of the page's texts or words of the server.
 * @param {State} state
 */
export function view(state) {
  const { phase, trial } = state;
  const answering = isAnswerable(state);
  const sent = (phase === "covering" || phase === "sending" || phase === "feedback") && state.response !== null;
  /** @type {{kind: string, text?: string, key?: string}|null} */
  let line = null;
  if (phase === "feedback" && trial) {
    line = { kind: state.correct ? "right" : "wrong", key: state.correct ? "correct" : "wrong" };
  } else if (trial && trial.instruction && (phase !== "sending" || sent) && state.gate === null) {
    line = { kind: "instruction", text: trial.instruction };
  } else if (trial && (answering || sent)) {
    line = { kind: "prompt", text: trial.prompt };
  }
  /** @type {string|null} */
  let notice = null;
  if (state.attempts > 0) notice = phase === "sending" ? "answer-kept" : "reconnecting";
  else if (phase === "measuring" || phase === "fetching" || (phase === "loading" && state.gate === null && !state.loaded)) notice = "loading";
  let gate = state.gate;
  if (gate !== null && !state.fits && phase === "loading") gate = "small";
  return {
    phase,
    open: openPlace(state),
    mask: phase === "mask" ? stagesOf(trialOf(state))[state.stage].number ?? 0 : null,
    count: phase === "countdown" ? stagesOf(trialOf(state))[state.stage].number ?? 0 : null,
    cross: ["blank", "reference_gap", "gap", "hold"].includes(phase),
    line,
    buttons: answering ? "shown" : sent ? "sent" : "hidden",
    pressed: state.response,
    gate,
    can_proceed: gate !== null && phase !== "broken" && (state.fits || phase !== "loading"),
    notice,
    progress: state.progress,
    is_practice: trial?.is_practice ?? false,
  };
}
