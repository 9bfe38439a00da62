// The pictures over one axis of time: waveform, log-mel, posteriors, letters, words.

import { bytes } from "./api.js";
import { named, number, short, t } from "./words.js";

export const GUTTER = 34; // px left of time 0, for labels
const NARROWEST = 160; // px a second
const ROW = 13; // px of a symbol
const RARE = 0.05; // symbols that never reach it are left out
const HEAT = [[0, 0, 4], [50, 10, 94], [120, 28, 109], [186, 54, 85], [237, 105, 37], [251, 180, 26], [252, 255, 164]];

const byId = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function heat(level) {
  const place = Math.min(level, 0.9999) * (HEAT.length - 1);
  const [low, high] = [HEAT[Math.floor(place)], HEAT[Math.floor(place) + 1]];
  return low.map((x, i) => x + (high[i] - x) * (place % 1));
}

function channels(text) {
  return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
}

function blend(from, to) {
  const [a, b] = [channels(from), channels(to)];
  return (level) => a.map((x, i) => x + (b[i] - x) * level);
}

// A small canvas with a pixel for each entry; at(x, y) is a level from 0 to 1.
function pixels(width, height, at, paint) {
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

function prepare(id, width, height) {
  const canvas = byId(id);
  const ratio = Math.min(window.devicePixelRatio || 1, 2, 16000 / width);
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
  return pen;
}

export class Pictures {
  constructor() {
    this.clip = this.samples = this.shown = this.weights = null;
    this.time = 0;
  }

  // A clip as /api/clip describes it, and its samples.
  show(clip, samples) {
    this.clip = { ...clip, melBytes: bytes(clip.mel.bytes), levels: bytes(clip.posteriors.bytes) };
    this.samples = samples;
    this.shown = this.weights = null;
    const { rows, columns } = clip.posteriors;
    const highest = new Float32Array(columns);
    this.clip.levels.forEach((level, i) => {
      highest[i % columns] = Math.max(highest[i % columns], level / 255);
    });
    this.symbols = [...highest.keys()].filter((k) => k !== clip.blank && highest[k] >= RARE);
    this.nFrames = rows;
  }

  get pixelsPerSecond() {
    return (this.width - GUTTER) / this.clip.seconds;
  }

  x(seconds) {
    return GUTTER + Math.min(seconds, this.clip.seconds) * this.pixelsPerSecond;
  }

  draw() {
    if (!this.clip) return;
    const room = byId("scroll").clientWidth;
    this.width = Math.max(room, Math.ceil(GUTTER + this.clip.seconds * NARROWEST));
    byId("stage").style.width = `${this.width}px`;
    byId("scroll").setAttribute("aria-label", t("a_stage"));
    this.drawWave();
    this.drawMel();
    this.drawPosteriors();
    this.drawLetters();
    this.placeWords();
    this.drawAttention();
    this.move(this.time);
  }

  label(id, text) {
    byId(id).setAttribute("aria-label", text);
  }

  drawWave() {
    const height = 72;
    const pen = prepare("wave", this.width, height);
    const { samples } = this;
    const last = this.x(this.clip.seconds);
    pen.fillStyle = colour("--wave");
    let loudest = 1e-4;
    for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
    for (let x = GUTTER; x < last; x++) {
      const from = Math.floor(((x - GUTTER) / (last - GUTTER)) * samples.length);
      const to = Math.max(from + 1, Math.floor(((x + 1 - GUTTER) / (last - GUTTER)) * samples.length));
      let [low, high] = [0, 0];
      for (let i = from; i < to && i < samples.length; i++) {
        low = Math.min(low, samples[i]);
        high = Math.max(high, samples[i]);
      }
      const middle = 28;
      pen.fillRect(x, middle - (high / loudest) * 26, 1, Math.max(1, ((high - low) / loudest) * 26));
    }
    pen.fillStyle = colour("--soft");
    const step = this.pixelsPerSecond > 250 ? 0.2 : this.pixelsPerSecond > 120 ? 0.5 : 1;
    for (let i = 0; i * step <= this.clip.seconds; i++) {
      pen.fillRect(this.x(i * step), 56, 1, 5);
      if (this.x(i * step) < this.width - 30) pen.fillText(`${number(i * step, 1)} s`, this.x(i * step) + 3, 64);
    }
    this.label("wave", t("a_wave", number(this.clip.seconds, 2)));
  }

  drawMel() {
    const { rows, columns } = this.clip.mel;
    const height = 110;
    const pen = prepare("mel", this.width, height);
    const at = (x, y) => this.clip.melBytes[x * columns + (columns - 1 - y)] / 255;
    pen.imageSmoothingEnabled = false;
    pen.drawImage(pixels(rows, columns, at, heat), GUTTER, 2, this.x(this.clip.seconds) - GUTTER, height - 4);
    pen.fillText("mel", 2, height / 2);
    this.label("mel", t("a_mel", rows, columns));
  }

  drawPosteriors() {
    const { columns } = this.clip.posteriors;
    const { levels, blank, frame_seconds: step } = this.clip;
    const height = 20 + ROW * this.symbols.length + 4;
    const pen = prepare("posteriors", this.width, height);
    const right = Math.min(GUTTER + this.nFrames * step * this.pixelsPerSecond, this.width);
    pen.imageSmoothingEnabled = false;
    const draw = (symbols, top, tall, name) => {
      if (!symbols.length) return;
      const at = (x, y) => levels[x * columns + symbols[y]] / 255;
      const image = pixels(this.nFrames, symbols.length, at, blend(colour("--back"), colour(name)));
      pen.drawImage(image, GUTTER, top, right - GUTTER, tall);
    };
    draw([blank], 2, 14, "--blank");
    draw(this.symbols, 20, ROW * this.symbols.length, "--accent");
    pen.fillText("∅", 12, 9);
    this.symbols.forEach((k, row) => pen.fillText(short(this.clip.symbols[k]), 12, 20 + ROW * (row + 0.5)));
    pen.fillStyle = colour("--line");
    pen.fillRect(GUTTER, 17.5, this.width, 1);
    this.label("posteriors", t("a_posteriors", this.nFrames));
  }

  // The best hypothesis, with the times of its letters and words.
  write(shown, onWord) {
    this.shown = shown;
    this.onWord = onWord;
    this.drawLetters();
    this.placeWords();
  }

  drawLetters() {
    const pen = prepare("letters", this.width, 30);
    const letters = this.shown ? this.shown.characters.filter((c) => !"¶¦".includes(c.text)) : [];
    pen.textAlign = "center";
    for (const one of letters) {
      const [from, to] = [this.x(one.start), this.x(one.end)];
      pen.fillStyle = colour("--ink");
      pen.font = "14px ui-monospace, monospace";
      pen.fillText(short(one.text), (from + to) / 2, 10);
      pen.fillStyle = colour(`--${sure(one.confidence)}`);
      const tall = Math.max(1, 8 * one.confidence);
      pen.fillRect(from, 28 - tall, Math.max(2, to - from - 1), tall);
    }
    this.label("letters", t("a_letters", letters.map((c) => short(c.text)).join("")));
  }

  placeWords() {
    const words = this.shown ? this.shown.words : [];
    const buttons = words.map((word) => {
      const button = document.createElement("button");
      const percent = number(100 * word.confidence, 0);
      button.type = "button";
      button.className = `word ${sure(word.confidence)}`;
      button.style.left = `${this.x(word.start)}px`;
      button.style.width = `${Math.max(18, this.x(word.end) - this.x(word.start))}px`;
      button.textContent = word.text;
      button.append(Object.assign(document.createElement("small"), { textContent: `${percent} %` }));
      const label = t("a_word", word.text, number(word.start, 2), number(word.end, 2), percent);
      button.setAttribute("aria-label", label);
      button.title = label;
      button.addEventListener("click", () => this.onWord(word));
      return button;
    });
    byId("words").replaceChildren(...buttons);
  }

  // Attention: {symbols, weights} as /api/attention gives it, or null.
  attend(found) {
    this.weights = found && { ...found, levels: bytes(found.weights.bytes) };
    this.drawAttention();
  }

  drawAttention() {
    byId("attention").hidden = !this.weights;
    if (!this.weights) return;
    const { symbols, levels, weights } = this.weights;
    const height = 8 + ROW * symbols.length;
    const pen = prepare("attention", this.width, height);
    const right = GUTTER + weights.columns * this.clip.frame_seconds * this.pixelsPerSecond;
    const at = (x, y) => Math.sqrt(levels[y * weights.columns + x] / 255);
    const image = pixels(weights.columns, symbols.length, at, blend(colour("--back"), colour("--mark")));
    pen.imageSmoothingEnabled = false;
    pen.drawImage(image, GUTTER, 4, right - GUTTER, height - 8);
    symbols.forEach((symbol, row) => pen.fillText(short(symbol), 12, 4 + ROW * (row + 0.5)));
    this.label("attention", t("a_attention"));
  }

  // Move the cursor to a time, and say what the network thinks of that frame.
  move(seconds, visibly = false) {
    this.time = Math.max(0, Math.min(seconds, this.clip.seconds));
    const x = this.x(this.time);
    byId("cursor").style.left = `${x}px`;
    const frame = byId("scroll");
    const hidden = x < frame.scrollLeft || x > frame.scrollLeft + frame.clientWidth;
    if (visibly && hidden) frame.scrollLeft = x - frame.clientWidth / 4;
  }

  get frame() {
    return Math.max(0, Math.min(this.nFrames - 1, Math.floor(this.time / this.clip.frame_seconds + 1e-6)));
  }

  timeAt(event) {
    const left = byId("stage").getBoundingClientRect().left;
    return (event.clientX - left - GUTTER) / this.pixelsPerSecond;
  }

  // The symbol of the row under the pointer, or null.
  symbolAt(event) {
    if (event.target.id !== "posteriors") return null;
    const y = event.offsetY;
    return y < 18 ? this.clip.blank : this.symbols[Math.floor((y - 20) / ROW)] ?? null;
  }

  probability(frame, symbol) {
    return this.clip.levels[frame * this.clip.posteriors.columns + symbol] / 255;
  }

  best(frame, n) {
    const all = [...this.clip.symbols.keys()];
    all.sort((a, b) => this.probability(frame, b) - this.probability(frame, a));
    return all.slice(0, n).map((k) => `${named(this.clip.symbols[k])} ${number(this.probability(frame, k), 2)}`).join(", ");
  }

  toBlob() {
    const drawn = ["wave", "mel", "posteriors", "letters", "attention"].map(byId).filter((c) => !c.hidden);
    const whole = document.createElement("canvas");
    whole.width = drawn[0].width;
    whole.height = drawn.reduce((sum, c) => sum + c.height, 0);
    const pen = whole.getContext("2d");
    let top = 0;
    for (const canvas of drawn) {
      pen.drawImage(canvas, 0, top);
      top += canvas.height;
    }
    return new Promise((done) => whole.toBlob(done, "image/png"));
  }
}

export const sure = (confidence) => (confidence >= 0.8 ? "sure" : confidence >= 0.5 ? "fair" : "poor");
