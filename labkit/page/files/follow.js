// Following the beam: the prefixes after each frame, and those that are pruned.

import { post } from "./api.js";
import { make } from "./texts.js";
import { number, short, t } from "./words.js";

const LIKELY = 0.05; // a symbol less likely than that adds next to nothing

const byId = (id) => document.getElementById(id);
const spelled = (sequence) => [...sequence].map(short).join("") || "ε";

function sign(text, key) {
  const made = make("b", ` ${text}`);
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", t(key));
  made.title = t(key);
  return made;
}

export class Follower {
  // onFrame(frame) is called when another frame is shown.
  constructor(onFrame) {
    this.onFrame = onFrame;
    this.forget();
    byId("frame").addEventListener("input", (event) => this.show(Number(event.target.value) - 1));
    byId("before").addEventListener("click", () => this.show(this.now - 1));
    byId("after").addEventListener("click", () => this.show(this.now + 1));
  }

  forget() {
    this.frames = [];
    this.now = 0;
    for (const id of ["frame", "before", "after"]) byId(id).disabled = true;
    byId("prefixes").replaceChildren();
    byId("pruned").replaceChildren();
    byId("spoken").textContent = "";
  }

  async load(wish, pictures) {
    const { frames } = await post("/api/follow", wish);
    this.frames = frames;
    this.pictures = pictures;
    byId("frame").max = frames.length;
    byId("frame").disabled = false;
    this.show(Math.min(pictures.frame, frames.length - 1));
  }

  // Whether paths that have just said its last symbol join those that said it before.
  merges(sequence, earlier) {
    const symbol = this.pictures.clip.symbols.indexOf(sequence.slice(-1));
    return sequence !== "" && earlier.includes(sequence.slice(0, -1)) && this.pictures.probability(this.now, symbol) >= LIKELY;
  }

  show(frame) {
    if (!this.frames.length) return;
    this.now = Math.max(0, Math.min(frame, this.frames.length - 1));
    const beam = this.frames[this.now];
    const earlier = this.now ? this.frames[this.now - 1].map((one) => one.sequence) : [""];
    const held = new Set(beam.map((one) => one.sequence));
    const best = beam[0] ? beam[0].score : 0;
    const level = (one) => (one.score === null ? 0 : Math.exp(one.score - best)); // null is −∞
    const total = beam.reduce((sum, one) => sum + level(one), 0) || 1;
    const items = beam.map((one) => {
      const item = make("li");
      const bar = make("progress");
      bar.value = level(one) / total;
      const share = `${number(100 * bar.value, 1)} %`;
      bar.setAttribute("aria-label", share);
      item.append(bar, make("span", `${share} ${spelled(one.sequence)}`));
      if (!earlier.includes(one.sequence)) item.append(sign("+", "grown"));
      else if (this.merges(one.sequence, earlier)) item.append(sign("⇉", "merged"));
      return item;
    });
    byId("prefixes").replaceChildren(...items);
    const gone = earlier.filter((sequence) => !held.has(sequence));
    byId("pruned").replaceChildren(t("pruned"), ...gone.map((one) => make("del", spelled(one))));
    const seconds = number(this.now * this.pictures.clip.frame_seconds, 2);
    byId("spoken").textContent = t("at_frame", this.now + 1, this.frames.length, seconds, this.pictures.best(this.now, 3));
    byId("frame").value = this.now + 1;
    document.querySelector('output[for="frame"]').textContent = this.now + 1;
    byId("before").disabled = this.now === 0;
    byId("after").disabled = this.now === this.frames.length - 1;
    this.onFrame(this.now);
  }
}
