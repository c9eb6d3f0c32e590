/** Runs as the server knows them: read once, handed to the analysis thread, the ones asked for last kept there. */

import { buffersOf } from "../trace/columns";
import type { RunInfo, RunSource } from "../trace/run";
import { BYTES_PER_EVENT } from "../trace/wire-format";
import type { Answer, Question } from "./analysis";
import { Analyst } from "./analyst";

/** What is kept of runs, in bytes of events; the one in use is kept whatever its size. */
const KEEP_BYTES = 400e6;

/** A run that the thread holds under a number. */
interface HeldRun {
  readonly number: number;
  readonly info: RunInfo;
}

export class RunCache {
  /** In order of use, the latest last. */
  readonly #runs = new Map<string, Promise<HeldRun>>();
  readonly #analyst = new Analyst(() => this.#runs.clear());
  #numbers = 0;

  constructor(readonly source: RunSource) {}

  /** Begins to read a run that will be asked about; what goes wrong is said to those who ask. */
  prepare(id: string): void {
    void this.#held(id).catch(() => undefined);
  }

  /** Answers a question about a run as it is now. */
  async ask(id: string, question: Question): Promise<Answer> {
    const { number } = await this.#held(id);
    return this.#analyst.perform({ kind: "ask", run: number, question });
  }

  async compare(a: string, b: string): Promise<Answer> {
    const [heldA, heldB] = [await this.#held(a), await this.#held(b)];
    return this.#analyst.perform({ kind: "compare", a: heldA.number, b: heldB.number });
  }

  close(): Promise<void> {
    return this.#analyst.close();
  }

  /** The run as it is now: one that has grown since it was read is read again. */
  async #held(id: string): Promise<HeldRun> {
    const info = await this.source.info(id);
    const known = this.#runs.get(id);
    if (known) {
      const run = await known;
      if (run.info.events === info.events && run.info.status === info.status && run.info.createdAt === info.createdAt) {
        this.#touch(id, known);
        return run;
      }
      if (this.#runs.get(id) === known) this.#drop(run);
    }
    const reading = this.#read(info);
    this.#touch(id, reading);
    try {
      const run = await reading;
      await this.#forget();
      return run;
    } catch (error) {
      this.#runs.delete(id);
      throw error;
    }
  }

  async #read(info: RunInfo): Promise<HeldRun> {
    const events = await this.source.events(info.id);
    const number = ++this.#numbers;
    await this.#analyst.perform({ kind: "load", run: number, info, events }, buffersOf(events));
    return { number, info };
  }

  #drop({ number }: HeldRun): void {
    // A thread that died meanwhile holds nothing to forget.
    void this.#analyst.perform({ kind: "forget", run: number }).catch(() => undefined);
  }

  #touch(id: string, run: Promise<HeldRun>): void {
    this.#runs.delete(id);
    this.#runs.set(id, run);
  }

  /** Lets go of the runs used longest ago until the rest fits. */
  async #forget(): Promise<void> {
    let kept = 0;
    for (const [id, held] of [...this.#runs].reverse()) {
      const run = await held.catch(() => undefined);
      const bytes = (run?.info.events ?? 0) * BYTES_PER_EVENT;
      if (kept > 0 && kept + bytes > KEEP_BYTES) {
        this.#runs.delete(id);
        if (run) this.#drop(run);
      } else kept += bytes;
    }
  }
}
