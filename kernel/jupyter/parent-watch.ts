/** A kernel must not outlive the program that started it: Jupyter may be killed without a word. */

const INTERVAL_MS = 500;

/** Calls `onOrphaned` once the process that Jupyter names in JPY_PARENT_PID, or our own parent, is gone. */
export function watchParent(environment: NodeJS.ProcessEnv, onOrphaned: () => void): void {
  const named = Number(environment["JPY_PARENT_PID"]);
  if (!Number.isInteger(named) || named <= 1) return; // started by hand: it may well be meant to stay
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent && isAlive(named)) return;
    clearInterval(timer);
    onOrphaned();
  }, INTERVAL_MS);
  timer.unref();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, and another user's
  }
}
