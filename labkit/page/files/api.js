// Requests to the program. An error has a cause and a remedy, like those of the lab.

import { t } from "./words.js";

export class Trouble extends Error {
  // lost: the program does not answer at all.
  constructor(cause, remedy, lost = false) {
    super(cause);
    this.remedy = remedy;
    this.lost = lost;
  }
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble(t("no_server"), t("start_it"), true);
  }
  if (answer.ok) return answer;
  const found = await answer.json().catch(() => ({ error: `${answer.status}`, remedy: "" }));
  throw new Trouble(found.error, found.remedy);
}

export const get = async (path) => (await ask(path)).json();

export const send = (path, content) => ask(path, { method: "POST", body: content });

export async function post(path, asked, signal) {
  const answer = await ask(path, { method: "POST", body: JSON.stringify(asked), signal });
  const kind = answer.headers.get("Content-Type");
  if (kind.startsWith("text/plain")) return answer.text();
  return kind.startsWith("application/json") ? answer.json() : answer.arrayBuffer();
}

export function bytes(text) {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}
