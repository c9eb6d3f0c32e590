/** Where a command writes: results on stdout or into a file, everything else on stderr, and what Ctrl+C does meanwhile. */

import { access, constants, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { reasonOf, StatelineError } from "../../profiler-ui/trace/errors";

/** One JSON object, the only thing on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** For people: figures and notices beside the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes a file that an option names. @throws StatelineError `code` */
export async function writing(file: string, write: () => Promise<void>, code = "E_FILE_NOT_WRITTEN"): Promise<void> {
  await write().catch((error: unknown) => {
    const message = `cannot write ${file}: ${reasonOf(error)}; name another file`;
    throw new StatelineError(code, message, { file }, { cause: error });
  });
}

/** Before what takes minutes: whether the page of `--html` has a place. @throws StatelineError `E_FILE_NOT_WRITTEN` */
export async function checkPage(file: string | undefined): Promise<void> {
  if (file !== undefined) await writing(file, () => access(dirname(resolve(file)), constants.W_OK));
}

/** The page of `--html`. @throws StatelineError `E_FILE_NOT_WRITTEN` */
export async function writePage(file: string, html: string): Promise<void> {
  await writing(file, () => writeFile(file, html));
  note(`written to ${file}`);
}

/** Runs `work` with a signal that Ctrl+C and SIGTERM fire. A second one ends the process at once. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

/** Resolves when the signal fires. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
