/**
 * Where everything stands during a trial: a pure function of the window and the trial.
 *
 * Both pictures have one size and stand on one line, left and right of the middle.  At full size a picture is
 * `width_px` CSS pixels wide (or device pixels, as the definition says).  Where two do not fit side by side, both
 * shrink alike.  A single picture, or a reference before the others, has the same size and stands in the middle.  Sizes and places are whole device pixels, so a picture is never smeared by half a pixel.
 *
 * @typedef {{x: number, y: number, width: number, height: number}} Box   CSS px from the stage's top left corner
 */

/** Below this width (CSS px) a picture is too small to judge and the trial waits for a larger window. */
export const SMALLEST_PX = 120;

/**
 * @param {{width: number, height: number, ratio: number}} window   CSS px; ratio = device pixels per CSS px
 * @param {{width_px: number, height_px: number, size_unit: string, device_width_px?: number|null, is_single?: boolean}} size
 * @param {{phones: string, min_viewport_width_px: number, min_viewport_height_px: number}|null} rules
 */
export function layout(window, size, rules = null) {
  const { width, height, ratio } = window;
  const unit = unitOf(size, ratio);
  const full = { width: size.width_px * unit, height: size.height_px * unit };
  const isNarrow = width < 620;
  const isLow = height < 480;
  const edge = isNarrow ? 12 : 24;
  const gap = isNarrow ? 24 : 64;         // the fixation cross stands here
  const above = isLow ? 58 : 112;         // the line of text
  const below = isLow ? 64 : 132;         // the buttons
  const room = size.is_single ? width - 2 * edge : (width - 2 * edge - gap) / 2;
  const fitting = Math.min(1, room / full.width, (height - above - below) / full.height);
  // A size in CSS pixels gives way to a narrow window; whole device pixels do so in whole steps, degrees never.
  const steps = Math.max(1, Math.round(ratio));
  const scale = size.size_unit === "css_px" ? fitting : size.size_unit === "degrees" ? 1 : Math.max(1, Math.floor(fitting * steps + 1e-9)) / steps;
  const isTooLarge = size.size_unit !== "css_px" && scale > fitting + 1e-9;
  const snap = (/** @type {number} */ x) => Math.round(x * ratio) / ratio;
  const picture = {
    width: Math.floor(full.width * scale * ratio + 1e-6) / ratio,
    height: Math.floor(full.height * scale * ratio + 1e-6) / ratio,
  };
  const y = snap(above + Math.max(0, height - above - below - picture.height) / 2);
  const left = { x: snap((width - gap) / 2 - picture.width), y, ...picture };
  const right = { x: snap((width + gap) / 2), y, ...picture };
  const middle = { x: snap((width - picture.width) / 2), y, ...picture };
  const isLargeEnough = picture.width >= Math.min(SMALLEST_PX, full.width);
  const isAllowed =
    rules === null || rules.phones !== "refused" || (width >= rules.min_viewport_width_px && height >= rules.min_viewport_height_px);
  // Buttons are as far apart for one picture as for two, and never narrower than a thumb.
  const button = snap(Math.min(Math.max(picture.width, 140), (width - 2 * edge - gap) / 2));
  const buttons = size.is_single
    ? { left: { x: snap((width - gap) / 2 - button), width: button }, right: { x: snap((width + gap) / 2), width: button } }
    : { left, right };
  return { left, right, middle, buttons, cross: { x: width / 2, y: y + picture.height / 2 }, above: y, scale, fits: isLargeEnough && isAllowed && !isTooLarge };
}

/**
 * CSS pixels for each pixel of the picture at full size. Device pixels: as many for each as come nearest to one CSS
 * pixel. Degrees: `device_width_px` was computed by the server from the card and the distance, and zoom does not move it.
 * @param {{width_px: number, size_unit: string, device_width_px?: number|null}} size
 * @param {number} ratio
 */
function unitOf(size, ratio) {
  if (size.size_unit === "device_px") return Math.max(1, Math.round(ratio)) / ratio;
  if (size.size_unit === "degrees") return (size.device_width_px ?? size.width_px) / size.width_px / ratio;
  return 1;
}
