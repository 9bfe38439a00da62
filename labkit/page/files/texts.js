// Transcripts side by side, their errors, the n-best list, the table of times.

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

// The text, with its errors marked where the reference is known.
function marked(text, errors) {
  const paragraph = make("p", "", "said");
  if (!errors) {
    paragraph.textContent = text || t("empty");
    return paragraph;
  }
  const split = (one) => one.split(" ").filter(Boolean);
  for (const [kind, word] of edits(split(errors.reference), split(text))) {
    const tag = { same: "span", new: "ins", lost: "del" }[kind];
    paragraph.append(make(tag, word), " ");
  }
  return paragraph;
}

export function fillCard(card, title, answer, chosen) {
  const lines = [make("h3", title)];
  if (answer.error) {
    lines.push(make("p", answer.error.message, "poor-text"), make("p", answer.error.remedy || "", "hint"));
  } else {
    lines.push(marked(answer.shown.text, answer.errors));
    const facts = [t("took", number(1000 * answer.seconds, 0))];
    if (answer.calls) facts.push(t("calls", answer.calls));
    if (answer.errors) {
      facts.unshift(t("errors", number(100 * answer.errors.cer, 1), number(100 * answer.errors.wer, 1)));
    }
    lines.push(make("p", facts.join(" · "), "hint"));
  }
  card.className = chosen ? "card chosen" : "card";
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

export function fillNbest(answer, wish, onChoice) {
  const parts = [...new Set(answer.nbest.flatMap((one) => Object.keys(one.parts)))];
  const head = row("th", [t("rank"), t("text"), t("score"), ...parts]);
  const shown = (score) => (score === null || score === undefined ? "−∞" : number(score, 2));
  const rows = answer.nbest.map((one, rank) => {
    const button = make("button", one.text || t("empty"));
    button.type = "button";
    button.addEventListener("click", () => onChoice(rank));
    const made = row("td", [`${rank + 1}`, button, shown(one.score), ...parts.map((p) => shown(one.parts[p]))]);
    if (rank === answer.chosen) made.setAttribute("aria-current", "true");
    return made;
  });
  byId("nbest").replaceChildren(head, ...rows);
  const weight = number(wish.lm_weight, 2);
  const both = parts.includes("ctc") && parts.includes("attention");
  byId("formula").textContent = both
    ? t("formula_both", number(wish.ctc_weight, 2), number(1 - wish.ctc_weight, 2))
    : parts.includes("lm") ? t("formula_lm", weight) : t("formula_plain");
}

export function fillTimes(words) {
  const head = row("th", [t("word"), t("start"), t("end"), t("confidence")]);
  const rows = words.map((word) => {
    const times = [word.start, word.end].map((time) => `${number(time, 2)} s`);
    return row("td", [make("span", word.text), ...times, `${number(100 * word.confidence, 0)} %`]);
  });
  byId("timed").replaceChildren(head, ...rows);
}
