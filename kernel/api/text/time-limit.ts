/** Ends work that does not yield and does not end, such as a regular expression that backtracks. */

import { createContext, Script } from "node:vm";

const context: { work?: () => unknown } = {};
createContext(context);
const script = new Script("work()");

/**
 * What `work` gives, or undefined where it has not ended after `limitMs` milliseconds.
 *
 * @example
 * withinTime(() => /^(a+)+b/.test("a".repeat(40)), 500); // undefined, after half a second
 */
export function withinTime<T>(work: () => T, limitMs: number): T | undefined {
  context.work = work;
  try {
    return script.runInContext(context, { timeout: limitMs }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  } finally {
    delete context.work;
  }
}
