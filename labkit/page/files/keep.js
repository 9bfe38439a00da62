// Files to keep: transcripts, as the program writes them; sound; pictures.

import { post } from "./api.js";
import { wav } from "./sound.js";

async function content(kind, pictures, wish) {
  if (kind === "wav") return wav(pictures.samples);
  if (kind === "png") return pictures.toBlob();
  return new Blob([await post("/api/export", { ...wish, kind })], { type: "text/plain" });
}

export async function keep(kind, pictures, wish) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await content(kind, pictures, wish));
  const name = pictures.clip.name.replace(/\.\w+$/, "").replace(/[^\w-]+/g, "_");
  link.download = `${name || "clip"}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
