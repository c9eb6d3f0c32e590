/** Chat templates of a checkpoint: messages become the text that the model was trained on, by @huggingface/jinja. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { isObject, type JsonObject } from "../checkpoint/json";
import { CheckpointError, OptionError } from "../errors";
import { invalid, shown } from "../options";
import type { Rendered, RenderThreadData } from "./render-thread";
import { onThread } from "./thread";

export interface ChatMessage {
  /** "system", "user", "assistant", or what else the template knows. */
  readonly role: string;
  readonly content: unknown;
  /** Whatever else the template reads, such as `name` or `tool_calls`. */
  readonly [key: string]: unknown;
}

export interface ChatOptions {
  /** End with what begins the assistant's answer; on unless said otherwise. */
  readonly addGenerationPrompt?: boolean;
  /** Name of the template, where the checkpoint has several; "default" unless given. */
  readonly template?: string;
  /** Descriptions of functions the model may call, for templates that know them. */
  readonly tools?: readonly object[];
  readonly signal?: AbortSignal;
}

/** Real templates take milliseconds and little memory; one that takes more than this does not end. */
const LIMIT_MS = 5000;
const LIMIT_MB = 256;

export class ChatTemplates {
  readonly #sources: ReadonlyMap<string, string>;
  readonly #specialTokens: Readonly<Record<string, string>>;
  readonly #directory: string;

  /** Made by `loadChatTemplates`. */
  constructor(
    sources: ReadonlyMap<string, string>,
    specialTokens: Readonly<Record<string, string>>,
    directory: string,
  ) {
    this.#sources = sources;
    this.#specialTokens = specialTokens;
    this.#directory = directory;
  }

  /**
   * @throws OptionError `E_OPTION_INVALID`, `E_CHAT_TEMPLATE`, `E_CHAT_TEMPLATE_MISSING`
   * @throws AbortedError `E_ABORTED`
   */
  async render(messages: readonly ChatMessage[], options: ChatOptions = {}): Promise<string> {
    if (!isMessages(messages)) invalid("messages", "a list of { role, content }", messages);
    const { addGenerationPrompt = true, template = "default", tools, signal } = options;
    const source = this.#sources.get(template);
    if (source === undefined) {
      const known = [...this.#sources.keys()].join(", ");
      throw new OptionError(
        "E_CHAT_TEMPLATE_MISSING",
        `${this.#directory} has no chat template ${shown(template)}; it has ${known}`,
        { template, known },
      );
    }
    const variables = {
      ...this.#specialTokens,
      ...{ messages, add_generation_prompt: addGenerationPrompt },
      ...(tools && { tools }),
    };
    const rendered = await this.#run({ source, variables }, signal);
    if ("text" in rendered) return rendered.text;
    throw new OptionError(
      "E_CHAT_TEMPLATE",
      `the chat template of ${this.#directory} refuses these messages: ${rendered.refused}`,
      { template },
    );
  }

  async #run(data: RenderThreadData, signal: AbortSignal | undefined): Promise<Rendered> {
    const limit = AbortSignal.timeout(LIMIT_MS);
    try {
      return await onThread<Rendered>("render-thread", data, {
        what: "the chat template",
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
        resourceLimits: { maxOldGenerationSizeMb: LIMIT_MB },
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      if (limit.aborted) return { refused: `it has not ended after ${LIMIT_MS / 1000} s` };
      const { code, message } = error as NodeJS.ErrnoException;
      return { refused: code === "ERR_WORKER_OUT_OF_MEMORY" ? `it takes more than ${LIMIT_MB} MB` : message };
    }
  }
}

function isMessages(value: unknown): value is readonly ChatMessage[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((one) => isObject(one) && typeof one["role"] === "string" && "content" in one)
  );
}

/**
 * Templates of a directory: chat_template.jinja, else `chat_template` of tokenizer_config.json, one or several by name.
 *
 * @throws CheckpointError `E_CHAT_TEMPLATE`, `E_FILE_UNREADABLE`
 */
export async function loadChatTemplates(
  directory: string,
  config: JsonObject,
  specialTokens: Readonly<Record<string, string>>,
): Promise<ChatTemplates | undefined> {
  const path = join(directory, "chat_template.jinja");
  const file = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new CheckpointError("E_FILE_UNREADABLE", `${path} cannot be read: ${error.message}`, { file: path });
  });
  const declared = file ?? config["chat_template"];
  if (declared === undefined || declared === null) return undefined;
  const list: unknown[] = Array.isArray(declared) ? declared : [{ name: "default", template: declared }];
  const sources = new Map<string, string>();
  for (const one of list) {
    const { name, template } = isObject(one) ? one : {};
    if (typeof name !== "string" || typeof template !== "string") {
      throw new CheckpointError(
        "E_CHAT_TEMPLATE",
        `${directory}/tokenizer_config.json: chat_template must be a text or a list of { name, template }, got ${shown(one)}`,
        { directory },
      );
    }
    sources.set(name, template);
  }
  return new ChatTemplates(sources, specialTokens, directory);
}
