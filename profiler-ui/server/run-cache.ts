/** Runs as the server knows them: read once, handed to the analysis thread, the ones asked for last kept there. */

import { buffersOf, BYTES_PER_EVENT } from "../trace/columns";
import type { RunInfo, RunSource } from "../trace/run";
import { encodeMarks } from "../trace/wire-format";
import type { Answer, Question } from "./analysis";
import { Analyst } from "./analyst";

/** What is kept of runs, in bytes of events; the one in use is kept whatever its size. */
const KEEP_BYTES = 400e6;

/** Events from which on a run is sketched while it is read: less are read as soon. */
const SKETCHED = 200_000;

/** Marks a lane of a sketch has at most. */
const SKETCH_PIXELS = 1024;

/** Events that a page holds at most, some 60 bytes each: of a longer run it asks for what it shows. */
const PAGE_EVENTS = 2_000_000;

/** A run that the thread holds under a number. */
interface HeldRun {
  readonly number: number;
  readonly info: RunInfo;
}

export class RunCache {
  /** In order of use, the latest last. */
  readonly #runs = new Map<string, Promise<HeldRun>>();
  /** Long runs drawn roughly, while they are read. */
  readonly #sketches = new Map<string, Promise<Answer>>();
  readonly #analyst = new Analyst(() => this.#runs.clear());
  #numbers = 0;

  /** `pageEvents`: events of a run that a page holds as a whole. */
  constructor(
    readonly source: RunSource,
    readonly pageEvents: number = PAGE_EVENTS,
  ) {}

  /** Begins to read a run that will be asked about; what goes wrong is said to those who ask. */
  prepare(id: string): void {
    void this.#held(id).catch(() => undefined);
  }

  /** What draws a run soonest: a sketch of a long one that is being read, else its overview. */
  async sketch(id: string): Promise<Answer> {
    const held = this.#asOf(await this.source.info(id));
    // Why it cannot be read is said by the sketch or the overview.
    held.catch(() => undefined);
    return (await this.#sketches.get(id)) ?? this.ask(id, { kind: "overview" });
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

  /** Begins what the first run would wait for; what goes wrong is said when a run is read. */
  warm(): void {
    this.#analyst.start();
    void this.source.warm?.().catch(() => undefined);
  }

  close(): Promise<void> {
    return this.#analyst.close();
  }

  /** The run as it is now: one that has grown since it was read is read again. */
  async #held(id: string): Promise<HeldRun> {
    return this.#asOf(await this.source.info(id));
  }

  async #asOf(info: RunInfo): Promise<HeldRun> {
    const { id } = info;
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
    const sketch = this.#sketchOf(info);
    this.#sketches.set(info.id, sketch);
    try {
      // One after the other: together, the first to be looked at would have to share the cores.
      await sketch;
      const events = await this.source.events(info.id);
      const number = ++this.#numbers;
      const { pageEvents } = this;
      await this.#analyst.perform({ kind: "load", run: number, info, events, pageEvents }, buffersOf(events));
      return { number, info };
    } finally {
      this.#sketches.delete(info.id);
    }
  }

  async #sketchOf({ id, events }: RunInfo): Promise<Answer> {
    if (events < SKETCHED) return null;
    const sketch = await this.source.sketch?.(id, SKETCH_PIXELS);
    return sketch ? encodeMarks(sketch) : null;
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
