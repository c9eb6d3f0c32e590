/**
 * Inputs on disk: a folder with one file a session, one JSON line an input. Sessions are numbered; a file that is there
 * already belongs to another kernel, so two kernels that start at once get two numbers without a lock.
 */
import { appendFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { reasonOf } from "../../profiler-ui/trace/errors";
import { makeFolder } from "../files/make-folder";
import type { Entry } from "./history";

/** Older sessions are forgotten. */
const KEPT_SESSIONS = 1000;
/** Of a tail or a search. */
const MOST_ENTRIES = 10_000;

/** STATELINE_HISTORY, empty for none; else `stateline/history` where this system keeps a program's state. */
export function historyFolder(environment: NodeJS.ProcessEnv): string | undefined {
  const given = environment["STATELINE_HISTORY"];
  if (given !== undefined) return given === "" ? undefined : given;
  const state =
    process.platform === "win32"
      ? environment["LOCALAPPDATA"]
      : environment["XDG_STATE_HOME"] || join(homedir(), ".local", "state");
  return state === undefined ? undefined : join(state, "stateline", "history");
}

export class HistoryStore {
  readonly #folder: string | undefined;
  readonly #inputs: Entry[] = [];
  #session: number | undefined;
  #writable: boolean;

  /** @param folder Undefined: this session's inputs only, in memory. */
  constructor(folder: string | undefined) {
    this.#folder = folder;
    this.#writable = folder !== undefined;
  }

  /** Number of this session, from 1. */
  get session(): number {
    this.#session ??= this.#begin();
    return this.#session;
  }

  add(line: number, input: string): void {
    this.#inputs.push([this.session, line, input]);
    if (!this.#writable) return;
    this.#writing(() => appendFileSync(this.#file(this.session), `${JSON.stringify([line, input])}\n`));
  }

  /** The last `count` inputs of all sessions, oldest first. */
  latest(count: number): readonly Entry[] {
    const wanted = Math.min(count, MOST_ENTRIES);
    let found: readonly Entry[] = this.#inputs;
    for (const session of this.#earlier().reverse()) {
      if (found.length >= wanted) break;
      found = [...this.#read(session), ...found];
    }
    return found.slice(-wanted);
  }

  ofSession(session: number): readonly Entry[] {
    return session === this.session ? this.#inputs : this.#read(session);
  }

  /** Takes the first free number. */
  #begin(): number {
    const folder = this.#folder;
    if (folder === undefined) return 1;
    let session = 1;
    this.#writing(() => {
      makeFolder(folder, 0o700);
      const sessions = numbers(folder);
      for (const old of sessions.slice(0, -KEPT_SESSIONS)) rmSync(this.#file(old), { force: true });
      for (session = (sessions.at(-1) ?? 0) + 1; !create(this.#file(session)); session++);
    });
    return session;
  }

  #earlier(): number[] {
    return this.#folder === undefined ? [] : numbers(this.#folder).filter((session) => session < this.session);
  }

  #read(session: number): Entry[] {
    if (this.#folder === undefined) return [];
    let text = "";
    try {
      text = readFileSync(this.#file(session), "utf8");
    } catch {
      return []; // there is no such session, or another kernel has just forgotten it
    }
    return text.split("\n").flatMap((line): Entry[] => {
      try {
        const [number, input] = JSON.parse(line) as [unknown, unknown];
        return typeof number === "number" && typeof input === "string" ? [[session, number, input]] : [];
      } catch {
        return []; // the last line, or one that a killed kernel has not finished
      }
    });
  }

  #file(session: number): string {
    return join(this.#folder ?? "", `${String(session).padStart(6, "0")}.jsonl`);
  }

  /** A disk that is full or may not be written costs the history, not the kernel. */
  #writing(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#writable = false;
      process.stderr.write(`kernel: history is not kept: ${reasonOf(error)}\n`);
    }
  }
}

function numbers(folder: string): number[] {
  try {
    return readdirSync(folder)
      .flatMap((name) => /^(\d+)\.jsonl$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return []; // no folder yet
  }
}

/** Makes a file that is not there yet. */
function create(path: string): boolean {
  try {
    writeFileSync(path, "", { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
