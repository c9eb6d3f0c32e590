/** Chat templates of a checkpoint: messages become the text that the model was trained on, by @huggingface/jinja. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { isObject, type JsonObject } from "../checkpoint/json";
import { CheckpointError, OptionError } from "../errors";
import { invalid, shown } from "../options";

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
}

/** What is used of the library; its declarations do not resolve from CommonJS. */
interface LibraryModule {
  readonly Template: new (source: string) => { render(variables: Record<string, unknown>): string };
}

export class ChatTemplates {
  readonly #library: LibraryModule;
  readonly #sources: ReadonlyMap<string, string>;
  readonly #specialTokens: Readonly<Record<string, string>>;
  readonly #directory: string;

  /** Made by `loadChatTemplates`. */
  constructor(
    library: LibraryModule,
    sources: ReadonlyMap<string, string>,
    specialTokens: Readonly<Record<string, string>>,
    directory: string,
  ) {
    this.#library = library;
    this.#sources = sources;
    this.#specialTokens = specialTokens;
    this.#directory = directory;
  }

  /** @throws OptionError `E_OPTION_INVALID`, `E_CHAT_TEMPLATE`, `E_CHAT_TEMPLATE_MISSING` */
  render(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    if (!isMessages(messages)) invalid("messages", "a list of { role, content }", messages);
    const { addGenerationPrompt = true, template = "default", tools } = options;
    const source = this.#sources.get(template);
    if (source === undefined) {
      const known = [...this.#sources.keys()].join(", ");
      throw new OptionError(
        "E_CHAT_TEMPLATE_MISSING",
        `${this.#directory} has no chat template ${shown(template)}; it has ${known}`,
        { template, known },
      );
    }
    try {
      return new this.#library.Template(source).render({
        ...this.#specialTokens,
        messages,
        add_generation_prompt: addGenerationPrompt,
        ...(tools && { tools }),
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new OptionError(
        "E_CHAT_TEMPLATE",
        `the chat template of ${this.#directory} refuses these messages: ${reason}`,
        { template },
        { cause: error },
      );
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
  const library = (await import("@huggingface/jinja")) as unknown as LibraryModule;
  return new ChatTemplates(library, sources, specialTokens, directory);
}
