// Drawing: colours of the page, matrices as pixels, sharp canvases.

export const WIDEST = 16000; // px that every browser can draw
const HEAT = [[0, 0, 4], [50, 10, 94], [120, 28, 109], [186, 54, 85], [237, 105, 37], [251, 180, 26], [252, 255, 164]];

const byId = (id) => document.getElementById(id);
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function heat(level) {
  const place = Math.min(level, 0.9999) * (HEAT.length - 1);
  const [low, high] = [HEAT[Math.floor(place)], HEAT[Math.floor(place) + 1]];
  return low.map((x, i) => x + (high[i] - x) * (place % 1));
}

function channels(text) {
  return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
}

export function blend(from, to) {
  const [a, b] = [channels(from), channels(to)];
  return (level) => a.map((x, i) => x + (b[i] - x) * level);
}

// A small canvas with a pixel for each entry; at(x, y) is a level from 0 to 1.
export function pixels(width, height, at, paint) {
  const small = document.createElement("canvas");
  [small.width, small.height] = [width, height];
  const image = new ImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [r, g, b] = paint(at(x, y));
      image.data.set([r, g, b, 255], 4 * (y * width + x));
    }
  }
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

export function prepare(id, width, height) {
  const canvas = byId(id);
  const ratio = Math.min(window.devicePixelRatio || 1, 2, WIDEST / width);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = colour("--back");
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = colour("--ink");
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  pen.imageSmoothingEnabled = false;
  return pen;
}

