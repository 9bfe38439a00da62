// The axis of time: playing, scrubbing, zooming, and what is under the pointer.

import * as sound from "./sound.js";
import { named, number, t } from "./words.js";

const GRAIN = 0.12; // s that sound at each frame while the cursor is dragged
const CLOSER = 1.5; // a step of the zoom

const byId = (id) => document.getElementById(id);

export class Stage {
  constructor(pictures) {
    this.pictures = pictures;
    this.dragging = this.sounding = false;
    byId("play").addEventListener("click", () => this.playAll());
    byId("closer").addEventListener("click", () => this.zoom(CLOSER));
    byId("wider").addEventListener("click", () => this.zoom(1 / CLOSER));
    byId("whole").addEventListener("click", () => this.zoom(0));
    byId("cursor").addEventListener("keydown", (event) => this.press(event));
    const lanes = byId("lanes");
    lanes.addEventListener("pointerdown", (event) => this.grasp(event));
    lanes.addEventListener("pointermove", (event) => this.point(event));
    lanes.addEventListener("pointerleave", () => this.hideTip());
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => this.letGo());
    byId("scroll").addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.goTo(pictures.timeAt(event));
      this.zoom(event.deltaY < 0 ? CLOSER : 1 / CLOSER);
    }, { passive: false });
  }

  // What stands beside the button: time, frame, and the likeliest symbols.
  readOut() {
    const { pictures } = this;
    const { frame, time } = pictures;
    const text = t("at_time", number(time, 2), frame + 1, pictures.best(frame, 3));
    byId("readout").textContent = text;
    byId("play").textContent = t(sound.isPlaying() ? "stop" : "play");
    const cursor = byId("cursor");
    cursor.setAttribute("aria-valuemax", pictures.clip.seconds.toFixed(2));
    cursor.setAttribute("aria-valuenow", time.toFixed(2));
    if (!sound.isPlaying()) cursor.setAttribute("aria-valuetext", text);
  }

  goTo(seconds) {
    this.pictures.move(seconds, true);
    this.readOut();
  }

  play(from, to) {
    sound.play(this.pictures.samples, from, to, (seconds) => {
      if (seconds !== null) this.pictures.move(seconds, true);
      this.readOut();
    });
  }

  playWord = (word) => this.play(word.start, word.end);

  playAll() {
    const { time, clip } = this.pictures;
    if (sound.isPlaying()) sound.stopPlaying();
    else this.play(time < clip.seconds - 0.05 ? time : 0, clip.seconds);
  }

  zoom(factor) {
    this.pictures.zoom(factor);
    byId("whole").disabled = byId("wider").disabled = this.pictures.isWhole;
  }

  press(event) {
    const { pictures } = this;
    const step = pictures.clip.frame_seconds;
    const middle = (pictures.frame + 0.5) * step;
    const actions = {
      ArrowLeft: () => this.goTo(middle - step),
      ArrowRight: () => this.goTo(middle + step),
      PageUp: () => this.goTo(middle - 10 * step),
      PageDown: () => this.goTo(middle + 10 * step),
      Home: () => this.goTo(0),
      End: () => this.goTo(pictures.clip.seconds),
      " ": () => this.playAll(),
      "+": () => this.zoom(CLOSER),
      "-": () => this.zoom(1 / CLOSER),
    };
    if (!actions[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  // Press: the cursor comes here; what plays goes on from here.
  grasp(event) {
    if (!this.pictures.clip || event.button !== 0 || event.target.closest("button")) return;
    this.dragging = event.pointerType !== "touch"; // a finger scrolls
    const seconds = this.pictures.timeAt(event);
    this.goTo(seconds);
    if (sound.isPlaying()) this.play(this.pictures.time, this.pictures.clip.seconds);
  }

  letGo() {
    this.dragging = false;
    if (this.sounding) sound.stopPlaying();
    this.sounding = false;
  }

  point(event) {
    const { pictures } = this;
    if (!pictures.clip) return;
    if (this.dragging && event.buttons) {
      const before = pictures.frame;
      pictures.move(pictures.timeAt(event));
      this.readOut();
      if (pictures.frame !== before) {
        sound.play(pictures.samples, pictures.time, Math.min(pictures.time + GRAIN, pictures.clip.seconds), () => {});
        this.sounding = true;
      }
    }
    this.showTip(event);
  }

  // Name what is under the pointer: symbol, time, probability.
  showTip(event) {
    const { pictures } = this;
    const found = pictures.under(event);
    const tip = byId("tip");
    tip.hidden = event.target.closest("button") !== null;
    const time = `${number(found.time, 2)} s`;
    if (found.symbol === null) tip.textContent = `${time} · ${pictures.best(found.frame, 2)}`;
    else tip.textContent = `${time} · ${named(found.symbol)} ${number(found.probability, 3)}`;
    const frame = byId("scroll");
    const box = byId("lanes").getBoundingClientRect();
    const left = event.clientX - box.left + 14;
    const last = frame.scrollLeft + frame.clientWidth - tip.offsetWidth - 44;
    tip.style.left = `${left < last ? left : left - tip.offsetWidth - 28}px`;
    tip.style.top = `${Math.max(0, event.clientY - box.top - 34)}px`;
  }

  hideTip() {
    byId("tip").hidden = true;
  }
}
