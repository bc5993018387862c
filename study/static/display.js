/** What a browser knows of its screen; docs/formats.md, checks.csv. */

const is = (/** @type {string} */ query) => matchMedia(query).matches;
const best = (/** @type {string} */ feature, /** @type {string[]} */ values) => values.find((value) => is(`(${feature}: ${value})`)) ?? "";

export function screenFacts() {
  return {
    screen_width_px: screen.width,
    screen_height_px: screen.height,
    viewport_width_px: innerWidth,
    viewport_height_px: innerHeight,
    device_pixel_ratio: devicePixelRatio,
    // Only a window with borders of known width tells its zoom; a frame or a phone does not.
    zoom: window.top === window && outerWidth > 0 ? Math.round((100 * outerWidth) / innerWidth) / 100 : null,
    colour_depth: screen.colorDepth,
    gamut: best("color-gamut", ["rec2020", "p3", "srgb"]),
    dynamic_range: best("dynamic-range", ["high", "standard"]),
    forced_colours: is("(forced-colors: active)"),
    dark_mode: is("(prefers-color-scheme: dark)"),
    fine_pointer: is("(any-pointer: fine)"),
  };
}
