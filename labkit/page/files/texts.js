// Transcripts side by side, their errors, the n-best list, the table of times.

import { translated } from "./messages.js";
import { number, t } from "./words.js";

const byId = (id) => document.getElementById(id);

export function make(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// The cheapest edits from one list of words to another: [kind, word].
function edits(said, heard) {
  const cost = Array.from({ length: said.length + 1 }, (_, i) => [i]);
  for (let j = 1; j <= heard.length; j++) cost[0][j] = j;
  for (let i = 1; i <= said.length; i++) {
    for (let j = 1; j <= heard.length; j++) {
      const change = cost[i - 1][j - 1] + (said[i - 1] === heard[j - 1] ? 0 : 1);
      cost[i][j] = Math.min(change, cost[i - 1][j] + 1, cost[i][j - 1] + 1);
    }
  }
  const found = [];
  let [i, j] = [said.length, heard.length];
  while (i || j) {
    const same = i && j && said[i - 1] === heard[j - 1];
    if (i && j && cost[i][j] === cost[i - 1][j - 1] + (same ? 0 : 1)) {
      if (same) found.push(["same", heard[j - 1]]);
      else found.push(["new", heard[j - 1]], ["lost", said[i - 1]]);
      i--;
      j--;
    } else if (j && cost[i][j] === cost[i][j - 1] + 1) found.push(["new", heard[--j]]);
    else found.push(["lost", said[--i]]);
  }
  return found.reverse();
}

// A piece of the text; what was decoded again stands in a box. `from` is its place.
function boxed(tag, text, from, again) {
  const made = make(tag);
  const inside = (at) => again.find((one) => one.begin <= at && at < one.end);
  for (let i = 0; i < text.length;) {
    const segment = inside(from + i);
    let stop = i + 1;
    while (stop < text.length && inside(from + stop) === segment) stop++;
    const piece = text.slice(i, stop);
    made.append(segment ? Object.assign(make("mark", piece), { title: segment.was }) : piece);
    i = stop;
  }
  return made;
}

// The text, with its errors marked where the reference is known.
function marked(text, errors, again) {
  const paragraph = make("p", "", "said");
  if (!errors) {
    paragraph.append(boxed("span", text || t("empty"), 0, again));
    return paragraph;
  }
  const heard = [...text.matchAll(/\S+/g)];
  const said = errors.reference.split(" ").filter(Boolean);
  let place = 0;
  for (const [kind, word] of edits(said, heard.map((one) => one[0]))) {
    if (kind === "lost") paragraph.append(make("del", word), " ");
    else paragraph.append(boxed(kind === "new" ? "ins" : "span", word, heard[place++].index, again), " ");
  }
  return paragraph;
}

// What the chosen decoder writes, in large letters.
export function fillHeard(answer) {
  const text = marked(answer.shown.text, answer.errors, answer.again);
  byId("heard").replaceChildren(...text.childNodes);
  byId("heard").classList.toggle("long", answer.shown.text.length > 120);
}

// What a decoder with segments has changed, in words.
function changes(answer) {
  const shown = (text) => text.replaceAll(" ", "␣") || "∅";
  const found = answer.again.map((one) => t("becomes", shown(one.was), shown(answer.shown.text.slice(one.begin, one.end))));
  return make("p", found.length ? t("again") + found.join(", ") : t("not_again"), "hint");
}

// A card whose answer is awaited: what it shows is of before.
export function waitingCard(card, title) {
  if (!card.firstChild) card.append(make("h3", title));
  card.classList.add("waiting");
  card.setAttribute("aria-busy", "true");
}

export function fillCard(card, title, answer, chosen) {
  const lines = [make("h3", title)];
  if (answer.error) {
    lines.push(make("p", translated(answer.error.message), "poor-text"), make("p", translated(answer.error.remedy || ""), "hint"));
  } else {
    lines.push(marked(answer.shown.text, answer.errors, answer.again));
    if (answer.decoder === "par") lines.push(changes(answer));
    const facts = [t("took", number(1000 * answer.seconds, 0))];
    if (answer.calls) facts.push(t("calls", answer.calls));
    if (answer.errors) {
      facts.unshift(t("errors", number(100 * answer.errors.cer, 1), number(100 * answer.errors.wer, 1)));
    }
    lines.push(make("p", facts.join(" · "), "hint"));
  }
  card.className = chosen ? "card chosen" : "card";
  card.removeAttribute("aria-busy");
  if (chosen) card.setAttribute("aria-current", "true");
  else card.removeAttribute("aria-current");
  card.replaceChildren(...lines);
}

function row(tag, cells) {
  const made = make("tr");
  for (const cell of cells) {
    const place = make(tag, cell instanceof Node ? "" : cell);
    if (cell instanceof Node) place.append(cell);
    else if (tag === "td" && /^[-−\d]/.test(cell)) place.className = "number";
    if (tag === "th") place.scope = "col";
    made.append(place);
  }
  return made;
}

// What is added to the weighted parts: bonuses of words and of hot words.
function bonus(one, wish) {
  const { ctc, attention, lm = 0 } = one.parts;
  const both = ctc !== undefined && attention !== undefined;
  const [a, b] = both ? [wish.ctc_weight, 1 - wish.ctc_weight] : [1, 1];
  const known = a * (ctc ?? 0) + b * (attention ?? 0) + (wish.lm_weight ?? 0) * lm;
  return Math.round(100 * (one.score - known)) / 100 || 0; // no -0
}

function formula(parts, added, wish) {
  const weight = number(wish.lm_weight ?? 0, 2);
  const both = parts.includes("ctc") && parts.includes("attention");
  if (both) {
    const shares = [wish.ctc_weight, 1 - wish.ctc_weight].map((one) => number(one, 2));
    return added ? t("formula_all", ...shares, weight) : t("formula_both", ...shares);
  }
  if (!added) return t("formula_plain");
  return t(parts.includes("ctc") ? "formula_lm" : "formula_attends", weight);
}

export function fillNbest(answer, wish, onChoice) {
  const parts = [...new Set(answer.nbest.flatMap((one) => Object.keys(one.parts)))];
  const added = parts.includes("lm") || (wish.hotwords ?? "").trim() !== "";
  const head = row("th", [t("rank"), t("text"), t("score"), ...parts, ...(added ? [t("bonus")] : [])]);
  const shown = (score) => (score === null || score === undefined ? "−∞" : number(score, 2));
  const rows = answer.nbest.map((one, rank) => {
    const button = make("button", one.text || t("empty"));
    button.type = "button";
    button.addEventListener("click", () => onChoice(rank));
    const scores = [one.score, ...parts.map((part) => one.parts[part]), ...(added ? [bonus(one, wish)] : [])];
    const made = row("td", [`${rank + 1}`, button, ...scores.map(shown)]);
    if (rank === answer.chosen) made.setAttribute("aria-current", "true");
    return made;
  });
  byId("nbest").replaceChildren(head, ...rows);
  byId("formula").textContent = formula(parts, added, wish);
}

export function fillTimes(words) {
  const head = row("th", [t("word"), t("start"), t("end"), t("confidence")]);
  const rows = words.map((word) => {
    const times = [word.start, word.end].map((time) => `${number(time, 2)} s`);
    return row("td", [make("span", word.text), ...times, `${number(100 * word.confidence, 0)} %`]);
  });
  byId("timed").replaceChildren(head, ...rows);
}
