// The pictures over one axis of time: waveform, log-mel, posteriors, letters, words.

import { bytes } from "./api.js";
import { blend, colour, heat, pixels, prepare, WIDEST } from "./canvas.js";
import { named, number, short, t } from "./words.js";

const GUTTER = 34; // px left of time 0, for labels; they stay while the rest scrolls
const NARROWEST = 200; // px a second, until one zooms out
const CLOSEST = 1200;
const ROW = 13; // px of a symbol
const TALLEST = 620; // px of attention: its rows become thinner for long texts
const ROOM = 38; // px of a word that has room for its confidence
const LETTER = 0.6; // width of a letter over its height
const LEGIBLE = 9; // px of a row that has room for its symbol
const RARE = 0.05; // symbols that never reach it are left out
const BLANK = 20; // px of the row of the blank
const LANES = ["wave", "mel", "posteriors", "letters", "attention"];

const byId = (id) => document.getElementById(id);

export class Pictures {
  constructor() {
    this.clip = this.samples = this.shown = this.weights = null;
    this.time = 0;
    this.scale = 1; // 1: all of a short clip, or NARROWEST
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

  // Pixels a second where all of the clip is seen.
  get fitting() {
    return Math.max(40, byId("scroll").clientWidth - GUTTER) / this.clip.seconds;
  }

  get isWhole() {
    return this.pixelsPerSecond <= this.fitting * 1.001;
  }

  get pixelsPerSecond() {
    const wanted = this.scale * Math.max(this.fitting, NARROWEST);
    return Math.max(this.fitting, Math.min(wanted, CLOSEST, WIDEST / this.clip.seconds));
  }

  get width() {
    return Math.floor(this.clip.seconds * this.pixelsPerSecond);
  }

  x(seconds) {
    return Math.min(seconds, this.clip.seconds) * this.pixelsPerSecond;
  }

  // Zoom by a factor, 0 for the whole clip; the cursor stays where it is on the screen.
  zoom(factor) {
    const frame = byId("scroll");
    const place = this.x(this.time) - frame.scrollLeft;
    this.scale = (this.pixelsPerSecond * factor) / Math.max(this.fitting, NARROWEST);
    this.scale = this.pixelsPerSecond / Math.max(this.fitting, NARROWEST); // within bounds
    this.draw();
    frame.scrollLeft = this.x(this.time) - place;
    this.move(this.time, true);
  }

  draw() {
    if (!this.clip) return;
    byId("lanes").style.width = `${this.width}px`;
    this.drawWave();
    this.drawMel();
    this.drawPosteriors();
    this.drawLetters();
    this.placeWords();
    this.drawAttention();
    this.drawGutter();
    this.move(this.time);
  }

  label(id, text) {
    byId(id).setAttribute("aria-label", text);
  }

  // The names of the rows.
  drawGutter() {
    const pen = prepare("gutter", GUTTER, byId("lanes").offsetHeight);
    const top = (id) => byId(id).offsetTop;
    const name = (symbol, y) => pen.fillText(short(symbol), GUTTER / 2, y);
    pen.textAlign = "center";
    pen.fillText("mel", GUTTER / 2, top("mel") + 55);
    pen.fillText("∅", GUTTER / 2, top("posteriors") + 9);
    this.symbols.forEach((k, row) => name(this.clip.symbols[k], top("posteriors") + BLANK + ROW * (row + 0.5)));
    if (!this.weights) return;
    const tall = this.attentionRow;
    const first = top("attention") + 4;
    if (tall < LEGIBLE) pen.fillText("↓", GUTTER / 2, first + 8);
    else this.weights.symbols.forEach((symbol, row) => name(symbol, first + tall * (row + 0.5)));
  }

  drawWave() {
    const height = 72;
    const pen = prepare("wave", this.width, height);
    const { samples } = this;
    pen.fillStyle = colour("--wave");
    let loudest = 1e-4;
    for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
    for (let x = 0; x < this.width; x++) {
      const from = Math.floor((x / this.width) * samples.length);
      const to = Math.max(from + 1, Math.floor(((x + 1) / this.width) * samples.length));
      let [low, high] = [0, 0];
      for (let i = from; i < to && i < samples.length; i++) {
        low = Math.min(low, samples[i]);
        high = Math.max(high, samples[i]);
      }
      const middle = 28;
      pen.fillRect(x, middle - (high / loudest) * 26, 1, Math.max(1, ((high - low) / loudest) * 26));
    }
    pen.fillStyle = colour("--soft");
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((one) => one * this.pixelsPerSecond >= 45) || 20;
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
    pen.drawImage(pixels(rows, columns, at, heat), 0, 2, this.width, height - 4);
    this.label("mel", t("a_mel", rows, columns));
  }

  drawPosteriors() {
    const { columns } = this.clip.posteriors;
    const { levels, blank, frame_seconds: step } = this.clip;
    const pen = prepare("posteriors", this.width, BLANK + ROW * this.symbols.length + 4);
    const right = this.nFrames * step * this.pixelsPerSecond;
    const draw = (symbols, top, tall, name) => {
      if (!symbols.length) return;
      const at = (x, y) => levels[x * columns + symbols[y]] / 255;
      const image = pixels(this.nFrames, symbols.length, at, blend(colour("--back"), colour(name)));
      pen.drawImage(image, 0, top, right, tall);
    };
    draw([blank], 2, 14, "--blank");
    draw(this.symbols, BLANK, ROW * this.symbols.length, "--accent");
    pen.fillStyle = colour("--line");
    pen.fillRect(0, 17.5, this.width, 1);
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
    const size = Math.min(14, (this.clip.frame_seconds * this.pixelsPerSecond) / LETTER);
    pen.font = `${size}px ui-monospace, monospace`;
    for (const one of letters) {
      const [from, to] = [this.x(one.start), this.x(one.end)];
      pen.fillStyle = colour("--ink");
      if (size >= LEGIBLE) pen.fillText(short(one.text), (from + to) / 2, 10);
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
      const width = Math.max(8, this.x(word.end) - this.x(word.start));
      button.style.width = `${width}px`;
      button.textContent = word.text;
      if (width >= ROOM) button.append(Object.assign(document.createElement("small"), { textContent: `${percent} %` }));
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
    this.drawGutter();
  }

  get attentionRow() {
    return Math.min(ROW, TALLEST / this.weights.symbols.length);
  }

  drawAttention() {
    byId("attention").hidden = !this.weights;
    if (!this.weights) return;
    const { symbols, levels, weights } = this.weights;
    const height = 8 + Math.round(this.attentionRow * symbols.length);
    const pen = prepare("attention", this.width, height);
    const at = (x, y) => Math.sqrt(levels[y * weights.columns + x] / 255);
    const image = pixels(weights.columns, symbols.length, at, blend(colour("--back"), colour("--mark")));
    pen.drawImage(image, 0, 4, weights.columns * this.clip.frame_seconds * this.pixelsPerSecond, height - 8);
    this.label("attention", t("a_attention"));
  }

  // Move the cursor to a time; keep it in sight if that is wanted.
  move(seconds, visibly = false) {
    this.time = Math.max(0, Math.min(seconds, this.clip.seconds));
    const x = this.x(this.time);
    byId("cursor").style.left = `${x}px`;
    const frame = byId("scroll");
    const room = frame.clientWidth - GUTTER;
    const hidden = x < frame.scrollLeft || x > frame.scrollLeft + room;
    if (visibly && hidden) frame.scrollLeft = x - room / 4;
  }

  frameAt(seconds) {
    return Math.max(0, Math.min(this.nFrames - 1, Math.floor(seconds / this.clip.frame_seconds + 1e-6)));
  }

  get frame() {
    return this.frameAt(this.time);
  }

  timeAt(event) {
    const seconds = (event.clientX - byId("lanes").getBoundingClientRect().left) / this.pixelsPerSecond;
    return Math.max(0, Math.min(seconds, this.clip.seconds));
  }

  // What is under the pointer: time, frame, and in a row of symbols which one.
  under(event) {
    const time = this.timeAt(event);
    const frame = this.frameAt(time);
    const [id, y] = [event.target.id, event.offsetY];
    const nothing = { time, frame, symbol: null };
    if (id === "posteriors") {
      const k = y < BLANK ? this.clip.blank : this.symbols[Math.floor((y - BLANK) / ROW)];
      if (k === undefined) return nothing;
      return { time, frame, symbol: this.clip.symbols[k], probability: this.probability(frame, k) };
    }
    if (id !== "attention" || !this.weights) return nothing;
    const row = Math.floor((y - 4) / this.attentionRow);
    if (!this.weights.symbols[row]) return nothing;
    const weight = this.weights.levels[row * this.weights.weights.columns + frame] / 255;
    return { time, frame, symbol: this.weights.symbols[row], probability: weight };
  }

  probability(frame, symbol) {
    return this.clip.levels[frame * this.clip.posteriors.columns + symbol] / 255;
  }

  best(frame, n) {
    const all = [...this.clip.symbols.keys()];
    all.sort((a, b) => this.probability(frame, b) - this.probability(frame, a));
    return all.slice(0, n).map((k) => `${named(this.clip.symbols[k])} ${number(this.probability(frame, k), 2)}`).join(", ");
  }

  // All pictures and the words, as they stand below each other.
  toBlob() {
    const ratio = byId("wave").width / this.width;
    const whole = document.createElement("canvas");
    whole.width = Math.round((GUTTER + this.width) * ratio);
    whole.height = Math.round(byId("lanes").offsetHeight * ratio);
    const pen = whole.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = colour("--back");
    pen.fillRect(0, 0, whole.width, whole.height);
    const paste = (id, left) => {
      const one = byId(id);
      pen.drawImage(one, left, one.offsetTop, one.offsetWidth, one.offsetHeight);
    };
    paste("gutter", 0);
    for (const id of LANES) if (!byId(id).hidden) paste(id, GUTTER);
    pen.font = "13px system-ui, sans-serif";
    pen.textAlign = "center";
    for (const word of this.shown ? this.shown.words : []) {
      pen.fillStyle = colour(`--${sure(word.confidence)}`);
      const [left, right] = [this.x(word.start), this.x(word.end)];
      const put = (text, y) => {
        const fits = pen.measureText(text).width <= Math.max(8, right - left) + 6;
        if (fits) pen.fillText(text, GUTTER + (left + right) / 2, byId("words").offsetTop + y);
      };
      put(word.text, 22);
      put(`${number(100 * word.confidence, 0)} %`, 40);
    }
    return new Promise((done) => whole.toBlob(done, "image/png"));
  }
}

export const sure = (confidence) => (confidence >= 0.8 ? "sure" : confidence >= 0.5 ? "fair" : "poor");
