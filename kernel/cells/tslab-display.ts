/** The module that cells get for `import { display } from "tslab"`: tslab's public API on our outputs. */
import { randomUUID } from "node:crypto";
import { currentCell } from "./cell-context";
import { requireFromTslab } from "./tslab-package";

/** Shows rich output; with an id, the second call and later ones change what the first one showed. */
class Display {
  #shown = false;
  readonly #id: string | undefined;

  constructor(id?: string) {
    this.#id = id;
  }

  readonly javascript = (text: string): void => this.raw("text/javascript", text);
  readonly html = (text: string): void => this.raw("text/html", text);
  readonly markdown = (text: string): void => this.raw("text/markdown", text);
  readonly latex = (text: string): void => this.raw("text/latex", text);
  readonly svg = (text: string): void => this.raw("image/svg+xml", text);
  readonly png = (bytes: Uint8Array): void => this.raw("image/png", bytes);
  readonly jpeg = (bytes: Uint8Array): void => this.raw("image/jpeg", bytes);
  readonly gif = (bytes: Uint8Array): void => this.raw("image/gif", bytes);
  readonly pdf = (bytes: Uint8Array): void => this.raw("application/pdf", bytes);
  readonly text = (text: string): void => this.raw("text/plain", text);

  raw(contentType: string, data: string | Uint8Array): void {
    const host = currentCell()?.host;
    if (host === undefined) throw new Error("display works inside a cell only");
    const text = typeof data === "string" ? data : Buffer.from(data).toString("base64");
    const bundle = { "text/plain": `[${contentType}]`, [contentType]: text };
    if (this.#id !== undefined && this.#shown) host.update(bundle, this.#id);
    else host.display(bundle, this.#id);
    this.#shown = true;
  }
}

/** A display whose content is replaced by each call. */
export function newDisplay(): Display {
  return new Display(randomUUID());
}

export const display: Display = new Display();

const manifest = (name: string): { readonly version: string } =>
  requireFromTslab()(`${name}/package.json`) as { readonly version: string };

export const versions: { readonly tslab: string; readonly typescript: string; readonly node: string } = {
  tslab: manifest("tslab").version,
  typescript: manifest("@tslab/typescript-for-tslab").version,
  node: process.version,
};
