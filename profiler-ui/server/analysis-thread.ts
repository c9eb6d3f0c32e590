/** The thread that holds runs and computes on them, so that the server answers meanwhile. */

import { parentPort } from "node:worker_threads";
import { compareRuns } from "../trace/compare";
import { StatelineError } from "../trace/errors";
import type { Answer, Question, Reply, Request, Task } from "./analysis";
import { LoadedRun } from "./loaded-run";

const runs = new Map<number, LoadedRun>();
const comparisons = new Map<string, string>();
const files = new Map<number, Iterator<Uint8Array<ArrayBuffer>, undefined>>();

function runOf(number: number): LoadedRun {
  const run = runs.get(number);
  if (run) return run;
  throw new StatelineError("E_RUN_FORGOTTEN", "The run was let go while it was looked at; reload the page.", {
    number,
  });
}

function perform(task: Task): Answer {
  switch (task.kind) {
    case "load":
      runs.set(task.run, new LoadedRun(task.info, task.events, task.pageEvents));
      return null;
    case "forget":
      runs.delete(task.run);
      for (const key of comparisons.keys()) if (key.split(" ").includes(String(task.run))) comparisons.delete(key);
      return null;
    case "ask":
      return answer(runOf(task.run), task.question);
    case "compare": {
      const key = `${task.a} ${task.b}`;
      const known = comparisons.get(key) ?? JSON.stringify(compareRuns(runOf(task.a), runOf(task.b)));
      comparisons.set(key, known);
      return known;
    }
    case "piece": {
      const file = files.get(task.file) ?? runOf(task.run).export(task.format, task.rank);
      files.set(task.file, file);
      return file.next().value ?? null;
    }
    case "drop":
      files.delete(task.file);
      return null;
  }
}

function answer(run: LoadedRun, question: Question): Answer {
  switch (question.kind) {
    case "summary":
      return JSON.stringify(run.summary);
    case "lanes":
      return JSON.stringify(run.lanes);
    case "overview":
      return run.overview;
    case "analysis":
      return JSON.stringify(run.analysis);
    case "tile":
      return run.tile(question.rank, question.stream, question.tile);
    case "look":
      return run.look(question.look);
    case "collectives":
      return JSON.stringify(run.collectives(question.query));
  }
}

parentPort?.on("message", ({ id, task }: Request) => {
  let reply: Reply;
  try {
    reply = { id, answer: perform(task) };
  } catch (error) {
    if (error instanceof StatelineError) reply = { id, code: error.code, message: error.message };
    else {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      reply = { id, code: "E_INTERNAL", message };
    }
  }
  parentPort?.postMessage(reply);
});
