/**
 * Talks to the server and keeps what must survive a reload.  Knows nothing of trials' inner life.
 *
 * What is kept, in `sessionStorage` (a tab's own; in memory where a browser forbids it):
 * the outstanding report until the server has acknowledged it, and a note whether the trial at hand was shown.
 */

const PATIENCE_MS = 20000;

/** A request that failed: `status` is the HTTP status, null for a lost network. */
export class RequestFailed extends Error {
  /** @param {number|null} status */
  constructor(status) {
    super(`request failed: ${status ?? "no network"}`);
    this.status = status;
  }
}

/** @param {string} url @param {RequestInit} options @returns {Promise<Response>} */
async function request(url, options) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), PATIENCE_MS);
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options, signal: controller.signal });
  } catch {
    throw new RequestFailed(null);
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw new RequestFailed(response.status);
  return response;
}

/** @param {string} url @param {object} body */
async function post(url, body) {
  const response = await request(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  try {
    return await response.json();
  } catch {
    throw new RequestFailed(null);      // cut off on its way
  }
}

/** A tab's memory for one session, which may be refused (private frames) and then lasts as long as the page. */
class Memory {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    /** @type {Map<string, string>} */
    this.fallback = new Map();
  }

  /** @param {string} key */
  get(key) {
    let text = this.fallback.get(key) ?? null;
    try {
      text = sessionStorage.getItem(`${this.name}:${key}`) ?? text;
    } catch { /* refused */ }
    try {
      return text === null ? null : JSON.parse(text);
    } catch {
      return null;
    }
  }

  /** @param {string} key @param {object|null} value */
  set(key, value) {
    const full = `${this.name}:${key}`;
    this.fallback.delete(key);
    try {
      if (value === null) sessionStorage.removeItem(full);
      else sessionStorage.setItem(full, JSON.stringify(value));
    } catch {
      if (value !== null) this.fallback.set(key, JSON.stringify(value));
    }
  }
}

export class Api {
  /** @param {{trial_url: string, response_url: string, checks_url: string, page_id: string, name: string}} options */
  constructor({ trial_url, response_url, checks_url, page_id, name }) {
    this.checks_url = checks_url;
    this.trial_url = trial_url;
    this.response_url = response_url;
    this.page_id = page_id;
    this.memory = new Memory(`truehue:${name}`);
    /** @type {Map<string, Promise<ImageBitmap>>} */
    this.pictures = new Map();
  }

  /** The report that no server has acknowledged yet. */
  get report() {
    return this.memory.get("report");
  }

  /** @param {object|null} report */
  keepReport(report) {
    this.memory.set("report", report);
  }

  /** @param {string} trial_id @param {boolean} shown */
  note(trial_id, shown) {
    this.memory.set("note", { trial_id, shown });
  }

  /** The outstanding trial. @param {object} device */
  turn(device) {
    const interrupted = this.memory.get("note");
    return post(this.trial_url, { page_id: this.page_id, device, ...(interrupted ? { interrupted } : {}) });
  }

  /** What the page knows of its screen; tried a few times, and no trial waits for it. @param {object} facts */
  async checks(facts, n_tries = 4) {
    for (let attempt = 1; attempt <= n_tries; attempt++) {
      try {
        return await post(this.checks_url, facts);
      } catch (error) {
        if (error instanceof RequestFailed && error.status !== null && error.status < 500) return null;
        await new Promise((resolve) => { setTimeout(resolve, 1000 * 2 ** attempt); });
      }
    }
    return null;
  }

  /** @param {object} report */
  send(report) {
    return post(this.response_url, report);
  }

  /**
   * A picture, downloaded and decoded, once per address; a failure is forgotten so that it can be tried again.
   * @param {string} url
   * @returns {Promise<ImageBitmap>}
   */
  picture(url) {
    let picture = this.pictures.get(url);
    if (!picture) {
      // The pixels as they are in the file (all are sRGB, and so is the canvas).
      picture = request(url, {})
        .then((response) => response.blob())
        .then((blob) => createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" }));
      this.pictures.set(url, picture);
      picture.catch(() => this.pictures.delete(url));
    }
    return picture;
  }

  /** Lets go of every picture but these. @param {string[]} urls */
  keepOnly(urls) {
    for (const [url, picture] of this.pictures) {
      if (urls.includes(url)) continue;
      this.pictures.delete(url);
      picture.then((bitmap) => bitmap.close(), () => {});
    }
  }
}
