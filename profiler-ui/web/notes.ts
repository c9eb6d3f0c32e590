/** What people write about a run: its name, tags and notes, and the form that changes them. */

import { reasonOf } from "../trace/errors";
import type { RunInfo, RunNotes } from "../trace/run";
import { annotateRun } from "./api";
import { el } from "./dom";

/** A button that opens the form, and the dialog. `onChange` gets what was saved. */
export function notesEditor(run: RunInfo, onChange: (notes: RunNotes) => void): Node[] {
  const label = el("input", { type: "text", maxlength: "200", value: run.label });
  const tags = el("input", { type: "text", value: (run.tags ?? []).join(", "), placeholder: "baseline, int8" });
  const notes = el("textarea", { rows: "6", maxlength: "20000" }, run.notes ?? "");
  const problem = el("p", { class: "problem", role: "alert" });
  const save = el("button", { type: "submit", class: "primary" }, "Save");
  const dialog = el(
    "dialog",
    { class: "help notes", "aria-labelledby": "notes-title" },
    el("h2", { id: "notes-title" }, "About this run"),
    el("label", {}, "Name", label),
    el("label", {}, "Tags, with commas between", tags),
    el("label", {}, "Notes", notes),
    problem,
    el("form", { method: "dialog" }, save, el("button", { type: "submit", value: "cancel", class: "quiet" }, "Cancel")),
  );
  save.addEventListener("click", (event) => {
    event.preventDefault();
    const change = {
      label: label.value.trim(),
      notes: notes.value,
      tags: [...new Set(tags.value.split(",").map((tag) => tag.trim()))].filter(Boolean),
    };
    annotateRun(run.id, change).then(
      (saved) => {
        dialog.close();
        onChange(saved);
      },
      (error: unknown) => (problem.textContent = reasonOf(error)),
    );
  });
  return [el("button", { type: "button", onclick: () => dialog.showModal() }, "Edit"), dialog];
}
