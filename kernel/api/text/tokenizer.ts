/**
 * Text to token ids and back, by @huggingface/tokenizers from a checkpoint's tokenizer.json and tokenizer_config.json.
 *
 * `clean_up_tokenization_spaces` is not applied: it would change text that a stream has already shown.
 */

import { join } from "node:path";

import { readJsonIfPresent } from "../checkpoint/checkpoint";
import { isObject, type JsonObject } from "../checkpoint/json";
import { CheckpointError } from "../errors";
import { encodeOnThread } from "./long-text";

/** Characters that are encoded in place: about 30 ms. */
const LONG_TEXT = 20_000;

/** What is used of the library's Tokenizer; its declarations do not resolve from CommonJS. */
interface Library {
  encode(text: string, options: { add_special_tokens: boolean }): { readonly ids: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  id_to_token(id: number): string | undefined;
  token_to_id(token: string): number | undefined;
  get_vocab(withAdded: boolean): Map<string, number>;
  get_added_tokens_decoder(): Map<number, unknown>;
}

interface LibraryModule {
  readonly Tokenizer: new (tokenizer: JsonObject, config: JsonObject) => Library;
}

export class Tokenizer {
  readonly #library: Library;
  readonly #directory: string;
  readonly #special: ReadonlySet<number>;
  /** Token texts stand for bytes, one character each, as in byte-level BPE. */
  readonly byteLevel: boolean;
  /** Ids up to the largest, plus one. */
  readonly size: number;
  /** Id of the token that ends a text, as tokenizer_config.json names it. */
  readonly endOfText: number | undefined;

  /** Made by `loadTokenizer`. */
  constructor(library: Library, directory: string, tokenizer: JsonObject, config: JsonObject) {
    this.#library = library;
    this.#directory = directory;
    const added = library.get_added_tokens_decoder();
    this.#special = new Set(added.keys());
    this.byteLevel = JSON.stringify(tokenizer["decoder"] ?? null).includes('"ByteLevel"');
    this.size = [...library.get_vocab(true).values()].reduce((max, id) => Math.max(max, id), -1) + 1;
    const eos = config["eos_token"];
    const content = isObject(eos) ? eos["content"] : eos;
    this.endOfText = typeof content === "string" ? library.token_to_id(content) : undefined;
  }

  /** Token ids of a text. `special`: with the begin and end tokens that tokenizer.json asks for; on unless said otherwise. */
  encode(text: string, options: { readonly special?: boolean } = {}): Int32Array {
    return Int32Array.from(this.#library.encode(text, { add_special_tokens: options.special ?? true }).ids);
  }

  /**
   * The same without holding up the event loop: a long text is encoded on a thread of its own.
   *
   * @throws AbortedError `E_ABORTED`
   */
  async encodeLong(
    text: string,
    options: { readonly special?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<Int32Array> {
    const { special = true, signal } = options;
    if (text.length <= LONG_TEXT) return this.encode(text, { special });
    return encodeOnThread({ directory: this.#directory, text, special }, signal);
  }

  /** Text of token ids, without special tokens. Bytes that are not UTF-8 become U+FFFD. */
  decode(tokens: ArrayLike<number>): string {
    if (tokens.length === 0) return "";
    return this.#library.decode(Array.from(tokens), { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  }

  /** The token as tokenizer.json spells it. */
  token(id: number): string | undefined {
    return this.#library.id_to_token(id);
  }

  /** Bytes of text that tokens `begin` and later of a window stand for. */
  bytesFrom(tokens: ArrayLike<number>, begin: number): number {
    if (!this.byteLevel) {
      const all = Array.from(tokens);
      return Buffer.byteLength(this.decode(all)) - Buffer.byteLength(this.decode(all.slice(0, begin)));
    }
    let bytes = 0;
    for (let i = begin; i < tokens.length; i++) {
      const id = tokens[i] ?? 0;
      const token = this.token(id) ?? "";
      bytes += this.#special.has(id) ? Buffer.byteLength(token) : token.length;
    }
    return bytes;
  }
}

/**
 * Tokenizer of a checkpoint directory; undefined where there is no tokenizer.json.
 *
 * @throws CheckpointError `E_TOKENIZER`, `E_JSON`, `E_FILE_UNREADABLE`
 */
export async function loadTokenizer(directory: string): Promise<Tokenizer | undefined> {
  const path = join(directory, "tokenizer.json");
  const tokenizer = await readJsonIfPresent(path);
  if (!tokenizer) return undefined;
  const config = (await readJsonIfPresent(join(directory, "tokenizer_config.json"))) ?? {};
  const { Tokenizer: HuggingFaceTokenizer } = (await import("@huggingface/tokenizers")) as unknown as LibraryModule;
  try {
    return new Tokenizer(new HuggingFaceTokenizer(tokenizer, config), directory, tokenizer, config);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError("E_TOKENIZER", `${path} cannot be used: ${reason}`, { file: path }, { cause: error });
  }
}

/** Token ids that end a generation: eos_token_id of generation_config.json or config.json, else the tokenizer's. */
export async function readStopTokens(
  directory: string,
  config: JsonObject,
  tokenizer: Tokenizer | undefined,
): Promise<number[]> {
  const generation = await readJsonIfPresent(join(directory, "generation_config.json"));
  const declared = generation?.["eos_token_id"] ?? config["eos_token_id"] ?? tokenizer?.endOfText;
  const ids = Array.isArray(declared) ? (declared as unknown[]) : [declared];
  return ids.filter((id): id is number => Number.isSafeInteger(id) && Number(id) >= 0);
}
