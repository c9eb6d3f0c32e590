/** Keeping runs in order: what people write about one, taking one away, putting it back. */

import { randomUUID } from "node:crypto";
import { access, lstat, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { RunNotes } from "../../../profiler-ui/trace/run";
import { makeFolder } from "../../files/make-folder";
import { isObject } from "../checkpoint/json";
import { RunError } from "../errors";
import { invalid } from "../options";
import { folderOf, readInfo, readText } from "./folder";

/** Where deleted runs wait; no run's id begins with a dot. */
const TRASH = ".trash";

/** What is written about a run stands beside run.json, which belongs to whoever records it. */
const NOTES = "notes.json";
const MOST_BYTES = 1e6;

/** What was written about the run in `folder`; nothing where the file is missing or no notes at all. */
export async function readNotes(folder: string): Promise<RunNotes> {
  try {
    return checkedNotes(JSON.parse(await readText(join(folder, NOTES), MOST_BYTES)));
  } catch {
    return {}; // notes that are missing, or cannot be read, must not hide the run
  }
}

/** @throws RunError `E_RUN_NOT_FOUND`; OptionError `E_OPTION_INVALID` */
export async function annotate(root: string, id: string, change: unknown): Promise<RunNotes> {
  const folder = folderOf(root, id);
  await readInfo(folder, id);
  const notes = { ...(await readNotes(folder)), ...checkedNotes(change) };
  const path = join(folder, NOTES);
  // "wx" and a name that nobody foresaw: what is there already may be a link.
  const written = `${path}.${randomUUID()}.tmp`;
  await writeFile(written, `${JSON.stringify(notes, null, 2)}\n`, { flag: "wx" });
  await rename(written, path);
  return notes;
}

/** Takes a run away; `restoreRun` brings it back until a run of the same id is deleted. @throws RunError `E_RUN_RECORDING` */
export async function removeRun(root: string, id: string): Promise<void> {
  const folder = folderOf(root, id);
  const { status } = await readInfo(folder, id);
  if (status === "recording")
    throw new RunError("E_RUN_RECORDING", `run ${id} is still being recorded; delete it when it is done`, { id });
  const trash = join(root, TRASH);
  makeFolder(trash);
  if ((await lstat(trash)).isSymbolicLink())
    throw new RunError("E_RUNS_NOT_WRITABLE", `${trash} is a link; runs are deleted into a folder of their own`, {
      id,
    });
  await rm(join(trash, id), { recursive: true, force: true });
  await rename(folder, join(trash, id));
}

/** @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_EXISTS` */
export async function restoreRun(root: string, id: string): Promise<void> {
  const folder = folderOf(root, id);
  const exists = await access(folder).then(
    () => true,
    () => false,
  );
  if (exists) throw new RunError("E_RUN_EXISTS", `there is a run ${id} already`, { id });
  await rename(join(root, TRASH, id), folder).catch((cause: unknown) => {
    throw new RunError("E_RUN_NOT_FOUND", `no deleted run ${id} is kept in ${join(root, TRASH)}`, { id }, { cause });
  });
}

const LONGEST = { label: 200, notes: 20_000, tag: 40, tags: 20 };

/** @throws OptionError `E_OPTION_INVALID` */
function checkedNotes(value: unknown): RunNotes {
  if (!isObject(value)) return invalid("notes", "an object", value);
  const { label, notes, tags } = value;
  const isText = (text: unknown, most: number): text is string => typeof text === "string" && text.length <= most;
  if (label !== undefined && !isText(label, LONGEST.label))
    invalid("label", `a text of at most ${LONGEST.label} characters`, label);
  if (notes !== undefined && !isText(notes, LONGEST.notes))
    invalid("notes", `a text of at most ${LONGEST.notes} characters`, notes);
  const fits = Array.isArray(tags) && tags.length <= LONGEST.tags && tags.every((tag) => isText(tag, LONGEST.tag));
  if (tags !== undefined && !fits)
    invalid("tags", `at most ${LONGEST.tags} texts of at most ${LONGEST.tag} characters`, tags);
  return {
    ...(isText(label, LONGEST.label) ? { label } : {}),
    ...(isText(notes, LONGEST.notes) ? { notes } : {}),
    ...(fits ? { tags: tags.map(String) } : {}),
  };
}
