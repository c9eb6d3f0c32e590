/** The asking side of the processes that answer queries: how many there are, how long a query may take, who waits. */

import { fork, type ChildProcess } from "node:child_process";
import { on, once } from "node:events";
import { join } from "node:path";

import { aborted, reasonOf, RunError } from "../errors";
import { packageRoot } from "../package-root";
import type { SqlAnswer } from "../../../profiler-ui/trace/run";
import { formatBytes } from "../../../profiler-ui/trace/format";
import { Turns } from "../../../profiler-ui/trace/turns";
import { SQL_MEMORY } from "./sql-memory";
import type { Query, Reply } from "./sql-process";

/** Queries that are answered at once; the others wait. */
const MOST_PROCESSES = 2;

/** A process is kept for the next query, some time: it takes a quarter of a second to start. */
const KEEP_MS = 10_000;

const turns = new Turns(MOST_PROCESSES);
const idle: ChildProcess[] = [];

/**
 * @throws RunError `E_SQL`, `E_SQL_TOO_LONG`, `E_SQL_TOO_LARGE`; AbortedError `E_ABORTED`
 */
export async function answerQuery(query: Query, timeoutMs: number, signal: AbortSignal): Promise<SqlAnswer> {
  try {
    return await turns.take(() => ask(query, timeoutMs, signal), signal);
  } catch (error) {
    throw signal.aborted ? aborted("sql", signal) : error;
  }
}

async function ask(query: Query, timeoutMs: number, signal: AbortSignal): Promise<SqlAnswer> {
  const child = take();
  const late = AbortSignal.timeout(timeoutMs);
  let isReusable = false;
  let columns: readonly string[] = [];
  const rows: SqlAnswer["rows"][number][] = [];
  try {
    const replies = on(child, "message", { close: ["disconnect"], signal: AbortSignal.any([late, signal]) });
    child.send(query);
    for await (const [reply] of replies as AsyncIterable<[Reply]>) {
      if ("columns" in reply) columns = reply.columns;
      else if ("rows" in reply) for (const row of JSON.parse(reply.rows) as SqlAnswer["rows"]) rows.push(row);
      else if ("refused" in reply) {
        isReusable = true;
        throw new RunError("E_SQL", `SQL failed: ${reply.refused}`, { sql: query.sql });
      } else {
        isReusable = !reply.isWorn;
        return { columns, rows, truncated: reply.truncated };
      }
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    // By itself it ends only where it could not start.
    if (child.exitCode !== null) throw new Error(`the process for queries ended with status ${child.exitCode}`);
    const most = formatBytes(SQL_MEMORY.most);
    const message = `the query's process ended: it took more than ${most} of memory, or the database failed; select less`;
    throw new RunError("E_SQL_TOO_LARGE", message, { sql: query.sql });
  } catch (error) {
    if (error instanceof RunError) throw error;
    if (!late.aborted) {
      const reason = reasonOf(error);
      throw new RunError("E_SQL", `SQL failed: ${reason}`, { sql: query.sql }, { cause: error });
    }
    const message = `the query took more than ${timeoutMs / 1000} s and was ended`;
    throw new RunError("E_SQL_TOO_LONG", message, { sql: query.sql, timeoutMs });
  } finally {
    if (isReusable) keep(child);
    else child.kill("SIGKILL");
  }
}

function take(): ChildProcess {
  const kept = idle.pop();
  kept?.ref();
  kept?.channel?.ref();
  if (kept) return kept;
  // The compiled file, also when these sources run uncompiled, as in tests.
  const child = fork(join(packageRoot(), "dist/kernel/api/runs/sql-process.js"), {
    execArgv: ["--max-old-space-size=1024"],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  child.once("exit", () => forget(child));
  return child;
}

/** Nobody waits for an idle process, which ends with this one. */
function keep(child: ChildProcess): void {
  if (!child.connected) return;
  child.unref();
  child.channel?.unref();
  idle.push(child);
  setTimeout(() => forget(child) && child.kill("SIGKILL"), KEEP_MS).unref();
}

function forget(child: ChildProcess): boolean {
  const at = idle.indexOf(child);
  if (at >= 0) idle.splice(at, 1);
  return at >= 0;
}
