/** Errors of the engine and its API: a subclass an area, a stable `code`, and the caller's stack on native failures. */

import { reasonOf, RunError, StatelineError } from "../../profiler-ui/trace/errors";

export { reasonOf, RunError, StatelineError };

/** A checkpoint directory, file, tensor or config that cannot be read or contradicts itself. */
export class CheckpointError extends StatelineError {}
/** A tensor-parallel degree that the model cannot be split by. */
export class ShardError extends StatelineError {}
/** A device, instruction set or compute type that this build or machine does not have. */
export class DeviceError extends StatelineError {}
/** A collective that failed, or left ranks with different bits. */
export class CollectiveError extends StatelineError {}
/** An argument that is missing, unknown or out of range. */
export class OptionError extends StatelineError {}
/** The caller's AbortSignal ended the work; the model stays usable. */
export class AbortedError extends StatelineError {}

type ErrorClass = new (
  code: string,
  message: string,
  details?: Readonly<Record<string, unknown>>,
  options?: ErrorOptions,
) => StatelineError;

/** Which class a native code belongs to: the first entry whose pattern matches. */
const areas: readonly (readonly [RegExp, ErrorClass])[] = [
  [/^E_ABORTED$/, AbortedError],
  [/^E_(RANKS?_|COLLECTIVE_|NCCL)/, CollectiveError],
  [/^E_(ISA|DEVICE|CPU|GPU|CUDA|CUBLAS|MEMORY|OUT_OF_MEMORY|THREADS)/, DeviceError],
  [/^E_PLAN/, ShardError],
  [/^E_(FILE|TENSOR|WEIGHTS?|CHECKPOINT)/, CheckpointError],
  [/^E_(OPTION|ARGUMENT|TOKEN|SLOT|SAMPLING)/, OptionError],
];

/** An error of the addon as the StatelineError it stands for, with `stack` as its origin; others pass unchanged. */
export function fromNative(error: unknown, stack?: string): unknown {
  if (!(error instanceof Error) || error instanceof StatelineError) return error;
  const { code, details } = error as { code?: unknown; details?: unknown };
  if (typeof code !== "string" || !code.startsWith("E_")) return error;
  const Class = areas.find(([pattern]) => pattern.test(code))?.[1] ?? StatelineError;
  const values = typeof details === "object" && details !== null ? { ...details } : {};
  const converted = new Class(code, error.message, values, { cause: error });
  if (stack !== undefined) converted.stack = `${converted.name}: ${converted.message}\n${stack}`;
  return converted;
}

/**
 * Runs a native call so that its failure carries the stack of the line that made it, not of the addon's worker.
 *
 * @throws StatelineError of the area the native code belongs to.
 */
export async function native<T>(call: () => T | Promise<T>): Promise<T> {
  const origin: { stack?: string } = {};
  Error.captureStackTrace(origin, native);
  try {
    return await call();
  } catch (error) {
    throw fromNative(error, origin.stack?.split("\n").slice(1).join("\n"));
  }
}

/** What an aborted call rejects with; `cause` is the signal's reason. */
export function aborted(
  what: string,
  signal?: AbortSignal,
  details: Readonly<Record<string, unknown>> = {},
): AbortedError {
  return new AbortedError("E_ABORTED", `${what} was aborted`, details, { cause: signal?.reason });
}
