/** Brings what cells write to the request that ran them, also long after the cell has ended; joins small pieces of text. */
import type { FromWorker } from "../worker/messages";
import type { Header, Outgoing } from "./wire";

/** Text is collected for this long, so that a hundred thousand lines are a few messages. */
const STREAM_INTERVAL_MS = 25;
/** Text that is not kept back any longer: UTF-16 code units. */
const MOST_TEXT = 2 ** 20;
/** Runs whose late output still finds its way. */
const REMEMBERED_RUNS = 10_000;

interface Run {
  readonly parent: Header;
  readonly silent: boolean;
  readonly executionCount: number;
}

interface PendingText {
  readonly run: number;
  readonly name: "stdout" | "stderr";
  text: string;
}

export type Output = Extract<FromWorker, { type: "stream" | "display" | "result" | "clear" }>;

export class OutputRouter {
  readonly #publish: (message: Outgoing) => void;
  readonly #runs = new Map<number, Run>();
  #latest = 0;
  #pending: PendingText | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(publish: (message: Outgoing) => void) {
    this.#publish = publish;
  }

  /** The number of a new run: its output belongs to this request. */
  begin(owner: Run): number {
    const run = ++this.#latest;
    this.#runs.set(run, owner);
    if (this.#runs.size > REMEMBERED_RUNS)
      for (const oldest of this.#runs.keys()) {
        this.#runs.delete(oldest);
        break;
      }
    return run;
  }

  /** Header of the request that a run belongs to. */
  parentOf(run: number): Header | undefined {
    return this.#runs.get(run)?.parent;
  }

  handle(output: Output): void {
    if (output.type === "stream") {
      this.#append(output.run, output.name, output.text);
      return;
    }
    this.flush();
    switch (output.type) {
      case "display":
        return this.#send(output.run, output.update ? "update_display_data" : "display_data", {
          data: output.data,
          metadata: {},
          transient: output.displayId === undefined ? {} : { display_id: output.displayId },
        });
      case "result":
        return this.#send(output.run, "execute_result", {
          execution_count: this.#runs.get(output.run)?.executionCount ?? 0,
          data: output.data,
          metadata: {},
        });
      case "clear":
        return this.#send(output.run, "clear_output", { wait: output.wait });
    }
  }

  /** Sends the text that is still being collected. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) this.#send(pending.run, "stream", { name: pending.name, text: pending.text });
  }

  #append(run: number, name: "stdout" | "stderr", text: string): void {
    if (this.#pending?.run !== run || this.#pending.name !== name) {
      this.flush();
      this.#pending = { run, name, text: "" };
    }
    this.#pending.text += text;
    if (this.#pending.text.length >= MOST_TEXT) return this.flush();
    this.#timer ??= setTimeout(() => this.flush(), STREAM_INTERVAL_MS);
  }

  #send(run: number, type: string, content: Outgoing["content"]): void {
    const owner = this.#runs.get(run);
    if (owner?.silent === true) return;
    this.#publish({ type, parent: owner?.parent, content });
  }
}
