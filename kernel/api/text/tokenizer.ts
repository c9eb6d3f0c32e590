/**
 * Text to token ids and back, by @huggingface/tokenizers from a checkpoint's tokenizer.json and tokenizer_config.json.
 *
 * `clean_up_tokenization_spaces` is not applied: it would change text that a stream has already shown.
 */

import { join } from "node:path";

import { readJsonIfPresent } from "../checkpoint/checkpoint";
import { isObject, type JsonObject } from "../checkpoint/json";
import { CheckpointError, OptionError, reasonOf } from "../errors";
import { loadChatTemplates, type ChatMessage, type ChatOptions, type ChatTemplates } from "./chat";
import type { EncodeThreadAnswer, EncodeThreadData } from "./encode-thread";
import { onThread } from "./thread";
import { withinTime } from "./time-limit";

/** Characters that are encoded in place: about 30 ms. */
const LONG_TEXT = 20_000;

/** A text that takes longer is given to a thread. */
const IN_PLACE_MS = 500;

/** What does not end by then never does: a text usually takes 1.6 µs a character. */
const encodeMs = (text: string): number => 5000 + Math.ceil(text.length / 10);
const DECODE_MS = 5000;

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

/** Whether a text begins with bos and ends with eos: undefined where tokenizer.json alone decides. */
interface Frame {
  readonly begin: boolean | undefined;
  readonly end: boolean | undefined;
}

interface TokenizerParts {
  readonly library: Library;
  readonly directory: string;
  readonly tokenizer: JsonObject;
  readonly config: JsonObject;
  readonly specialTokens: Readonly<Record<string, string>>;
  readonly chat: ChatTemplates | undefined;
}

/** `add_bos_token` and `add_eos_token` rule in the classes whose post-processor transformers rebuilds from them. */
function frameOf(config: JsonObject): Frame {
  const rebuilt = /^(Code)?Llama|^GPTNeoX|^Gemma/.test(String(config["tokenizer_class"]));
  const wanted = (name: string): boolean | undefined => {
    const value = config[name];
    return rebuilt && typeof value === "boolean" ? value : undefined;
  };
  return { begin: wanted("add_bos_token"), end: wanted("add_eos_token") };
}

/** Tokens named in tokenizer_config.json, or in special_tokens_map.json where that leaves them out. */
function specialTokensOf(...sources: readonly JsonObject[]): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const source of sources) {
    for (const [name, value] of Object.entries(source)) {
      const content = isObject(value) ? value["content"] : value;
      if (name.endsWith("_token") && typeof content === "string") tokens[name] ??= content;
    }
  }
  return tokens;
}

export class Tokenizer {
  readonly #library: Library;
  readonly #directory: string;
  readonly #special: ReadonlySet<number>;
  /** Token texts stand for bytes, one character each, as in byte-level BPE. */
  readonly byteLevel: boolean;
  /** Ids up to the largest, plus one. */
  readonly size: number;
  /** Special tokens as tokenizer_config.json names them: `bos_token`, `eos_token`, … with their texts. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** Id of the token that begins a text. */
  readonly beginOfText: number | undefined;
  /** Id of the token that ends a text. */
  readonly endOfText: number | undefined;
  readonly #frame: Frame;
  readonly #decodesByPattern: boolean;
  readonly #chat: ChatTemplates | undefined;

  /** Made by `loadTokenizer`. */
  constructor(parts: TokenizerParts) {
    const { library, directory, tokenizer, config, specialTokens, chat } = parts;
    this.#library = library;
    this.#directory = directory;
    this.#chat = chat;
    const added = library.get_added_tokens_decoder();
    this.#special = new Set(added.keys());
    this.byteLevel = JSON.stringify(tokenizer["decoder"] ?? null).includes('"ByteLevel"');
    this.size = [...library.get_vocab(true).values()].reduce((max, id) => Math.max(max, id), -1) + 1;
    this.specialTokens = specialTokens;
    const idOf = (name: string): number | undefined => {
      const content = specialTokens[name];
      return content === undefined ? undefined : library.token_to_id(content);
    };
    this.beginOfText = idOf("bos_token");
    this.endOfText = idOf("eos_token");
    this.#frame = frameOf(config);
    this.#decodesByPattern = JSON.stringify(tokenizer["decoder"] ?? null).includes('"Regex"');
  }

  /**
   * Token ids of a text. `special`: with the begin and end tokens that tokenizer.json asks for; on unless said otherwise.
   *
   * @throws CheckpointError `E_TOKENIZER_TIME` where a pattern of tokenizer.json backtracks without end
   */
  encode(text: string, options: { readonly special?: boolean } = {}): Int32Array {
    return this.#encodeWithin(text, options.special ?? true, encodeMs(text)) ?? this.#lateEncoding(text);
  }

  #lateEncoding(text: string): never {
    return this.#late("characters", text.length, encodeMs(text));
  }

  #encodeWithin(text: string, special: boolean, milliseconds: number): Int32Array | undefined {
    const encoded = withinTime(() => this.#library.encode(text, { add_special_tokens: special }), milliseconds);
    return encoded && Int32Array.from(special ? this.#framed(encoded.ids) : encoded.ids);
  }

  #late(what: "characters" | "tokens", count: number, milliseconds: number): never {
    const file = join(this.#directory, "tokenizer.json");
    throw new CheckpointError(
      "E_TOKENIZER_TIME",
      `${file}: its patterns have not ended after ${milliseconds / 1000} s on ${count} ${what}; mend its patterns, or use token ids without it`,
      { file, [what]: count },
    );
  }

  #framed(ids: readonly number[]): number[] {
    const { begin, end } = this.#frame;
    const framed = [...ids];
    const place = (wanted: boolean | undefined, id: number | undefined, at: number): void => {
      const there = framed.at(at) === id;
      if (wanted === undefined || id === undefined || wanted === there) return;
      if (there) framed.splice(at, 1);
      else if (at === 0) framed.unshift(id);
      else framed.push(id);
    };
    place(begin, this.beginOfText, 0);
    place(end, this.endOfText, -1);
    return framed;
  }

  /**
   * Text of a conversation, as the checkpoint's chat template writes it, on a thread of its own.
   *
   * @throws OptionError `E_CHAT_TEMPLATE_MISSING`, `E_CHAT_TEMPLATE`, `E_OPTION_INVALID`; AbortedError `E_ABORTED`
   * @example
   * await tokenizer.chat([{ role: "user", content: "Who is Watson?" }]);
   */
  async chat(messages: readonly ChatMessage[], options?: ChatOptions): Promise<string> {
    if (this.#chat) return this.#chat.render(messages, options);
    throw new OptionError(
      "E_CHAT_TEMPLATE_MISSING",
      `${this.#directory} has no chat template; give a text, or add chat_template to its tokenizer_config.json`,
      { directory: this.#directory },
    );
  }

  /**
   * The same without holding up the event loop: a text that is long, or takes long, is encoded on a thread of its own.
   *
   * @throws AbortedError `E_ABORTED`; CheckpointError `E_TOKENIZER_TIME`
   */
  async encodeLong(
    text: string,
    options: { readonly special?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<Int32Array> {
    const { special = true, signal } = options;
    const short = text.length <= LONG_TEXT ? this.#encodeWithin(text, special, IN_PLACE_MS) : undefined;
    if (short) return short;
    const data: EncodeThreadData = { directory: this.#directory, text, special };
    const answer = await onThread<EncodeThreadAnswer>("encode-thread", data, { what: "tokenising", signal });
    return answer === "late" ? this.#lateEncoding(text) : answer;
  }

  /**
   * Text of token ids, without special tokens. Bytes that are not UTF-8 become U+FFFD.
   *
   * @throws CheckpointError `E_TOKENIZER_TIME`
   */
  decode(tokens: ArrayLike<number>): string {
    if (tokens.length === 0) return "";
    const options = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
    const work = (): string => this.#library.decode(Array.from(tokens), options);
    return this.#decodesByPattern
      ? (withinTime(work, DECODE_MS) ?? this.#late("tokens", tokens.length, DECODE_MS))
      : work();
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
  const special = (await readJsonIfPresent(join(directory, "special_tokens_map.json"))) ?? {};
  const specialTokens = specialTokensOf(config, special);
  const chat = await loadChatTemplates(directory, config, specialTokens);
  try {
    const library = new HuggingFaceTokenizer(tokenizer, config);
    const made = new Tokenizer({ library, directory, tokenizer, config, specialTokens, chat });
    made.decode(made.encode("A probe, since the library reads its parts only when they are used: é😀"));
    return made;
  } catch (error) {
    const reason = reasonOf(error);
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
