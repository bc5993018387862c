/**
 * Masks: colour noise that has, like photographs, about the same energy at every scale.
 *
 * Squares of 2 to 64 px in random colours are added up, each scale with the same weight (an amplitude spectrum near
 * 1/f), so that coarse and fine structure of the picture before are both overwritten.
 */

const SCALES = [64, 32, 16, 8, 4, 2];
/** Standard deviation of a channel, in levels of 255. */
const CONTRAST = 64;

/**
 * A seeded generator (mulberry32); a mask needs variety, not secrecy.
 * @param {string} seed
 * @returns {() => number} numbers in [0, 1)
 */
export function random(seed) {
  let a = 2166136261;
  for (const letter of seed) a = Math.imul(a ^ /** @type {number} */ (letter.codePointAt(0)), 16777619);
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let x = Math.imul(a ^ (a >>> 15), 1 | a);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * The pixels of a mask.
 * @param {number} width
 * @param {number} height
 * @param {string} seed
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA rows, opaque
 */
export function mask(width, height, seed) {
  const next = random(seed);
  const sum = new Float32Array(width * height * 3);
  for (const scale of SCALES) {
    const columns = Math.ceil(width / scale);
    const squares = Float32Array.from({ length: columns * Math.ceil(height / scale) * 3 }, () => next() - 0.5);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const square = (Math.floor(y / scale) * columns + Math.floor(x / scale)) * 3;
        const pixel = (y * width + x) * 3;
        for (let c = 0; c < 3; c++) sum[pixel + c] += squares[square + c];
      }
    }
  }
  const pixels = new Uint8ClampedArray(width * height * 4);
  const gain = CONTRAST / Math.sqrt(SCALES.length / 12);     // a uniform square of width 1 has variance 1/12
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = 128 + gain * sum[3 * i + c];
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}
