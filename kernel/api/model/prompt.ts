/** What a caller may give as a prompt, and the token ids it stands for. */

import { OptionError } from "../errors";
import { invalid, shown } from "../options";
import type { ChatMessage, ChatOptions } from "../text/chat";
import type { Tokenizer } from "../text/tokenizer";

/** A conversation, which the checkpoint's chat template turns into text. */
export interface ChatPrompt extends ChatOptions {
  readonly messages: readonly ChatMessage[];
}

/** A text, its token ids, or a conversation. */
export type Prompt = string | readonly number[] | Int32Array | ChatPrompt;

/** What a model knows of its prompts. */
export interface PromptReader {
  readonly tokenizer: Tokenizer | undefined;
  readonly config: { readonly vocabulary: number };
}

export interface EncodeOptions {
  /** With the begin and end tokens that tokenizer.json asks for; on unless said otherwise. */
  readonly special?: boolean;
  readonly signal?: AbortSignal;
}

/** Whether `value` is a list of prompts rather than one prompt's token ids. */
export function isPromptList(value: Prompt | readonly Prompt[]): value is readonly Prompt[] {
  return Array.isArray(value) && value.length > 0 && typeof value[0] !== "number";
}

/**
 * Token ids of a prompt, all of them in the vocabulary.
 *
 * @throws AbortedError `E_ABORTED`
 * @throws OptionError `E_PROMPT_EMPTY`, `E_TOKEN_RANGE`, `E_TOKENIZER_MISSING`, `E_OPTION_INVALID`
 */
export async function tokensOf(prompt: Prompt, reader: PromptReader, options: EncodeOptions = {}): Promise<Int32Array> {
  const tokens =
    typeof prompt === "string"
      ? await encode(prompt, reader.tokenizer, options)
      : isChat(prompt)
        ? await encodeChat(prompt, reader.tokenizer, options)
        : idsOf(prompt, reader.config.vocabulary);
  if (tokens.length > 0) return tokens;
  throw new OptionError("E_PROMPT_EMPTY", "the prompt is empty; give at least one token", { prompt: shown(prompt) });
}

/**
 * Token ids of each of several prompts.
 *
 * @throws what `tokensOf` throws, naming the prompt's place in the list
 */
export async function tokensOfEach(
  prompts: readonly Prompt[],
  reader: PromptReader,
  options: EncodeOptions,
): Promise<Int32Array[]> {
  const all: Int32Array[] = [];
  for (const [index, prompt] of prompts.entries()) {
    try {
      all.push(await tokensOf(prompt, reader, options));
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      const message = `prompts[${index}]: ${error.message}`;
      throw new OptionError(error.code, message, { ...error.details, index }, { cause: error });
    }
  }
  return all;
}

function isChat(prompt: Exclude<Prompt, string>): prompt is ChatPrompt {
  return typeof prompt === "object" && prompt !== null && "messages" in prompt;
}

/** A template writes the special tokens itself. */
async function encodeChat(
  chat: ChatPrompt,
  tokenizer: Tokenizer | undefined,
  options: EncodeOptions,
): Promise<Int32Array> {
  const { messages, ...chatOptions } = chat;
  const { signal = chatOptions.signal } = options;
  const text = await requireTokenizer(tokenizer).chat(messages, { ...chatOptions, ...(signal && { signal }) });
  return encode(text, tokenizer, { ...options, special: false });
}

async function encode(text: string, tokenizer: Tokenizer | undefined, options: EncodeOptions): Promise<Int32Array> {
  if (text === "")
    throw new OptionError("E_PROMPT_EMPTY", "the prompt is empty; give at least one character", { prompt: text });
  return requireTokenizer(tokenizer).encodeLong(text, options);
}

function requireTokenizer(tokenizer: Tokenizer | undefined): Tokenizer {
  if (tokenizer) return tokenizer;
  throw new OptionError(
    "E_TOKENIZER_MISSING",
    "the model's directory has no tokenizer.json; give token ids instead of a text",
  );
}

function idsOf(ids: readonly number[] | Int32Array, vocabulary: number): Int32Array {
  if (!Array.isArray(ids) && !(ids instanceof Int32Array)) invalid("prompt", "a text, token ids or { messages }", ids);
  for (const [position, id] of ids.entries()) {
    if (Number.isInteger(id) && id >= 0 && id < vocabulary) continue;
    throw new OptionError(
      "E_TOKEN_RANGE",
      `token ${shown(id)} at position ${position} is not in the vocabulary of ${vocabulary} (0 to ${vocabulary - 1})`,
      {
        token: id,
        position,
        vocabulary,
      },
    );
  }
  return Int32Array.from(ids);
}
