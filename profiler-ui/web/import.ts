/** Traces of other tools: chosen by a button, or dropped anywhere on the page of runs. */

import { importFiles } from "./api";
import { el } from "./dom";

export interface ImportActions {
  readonly begun: (files: readonly File[]) => void;
  readonly done: (id: string) => void;
  readonly failed: (error: unknown) => void;
}

/** The button, and the field that files are dropped on; it shows while files are dragged. */
export function importer({ begun, done, failed }: ImportActions): { button: HTMLElement; field: HTMLElement } {
  const take = (list: FileList | null | undefined): void => {
    const files = [...(list ?? [])].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
    if (files.length === 0) return;
    begun(files);
    importFiles(files).then(({ id }) => done(id), failed);
  };
  const input = el("input", {
    type: "file",
    multiple: true,
    accept: ".json,.gz,.sqlite",
    class: "hidden",
    tabindex: "-1",
  });
  input.setAttribute("aria-label", "Traces to import");
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  const title =
    "Chrome or PyTorch (Kineto) JSON, also .gz, or a SQLite export of nsys; the files of all ranks together";
  const button = el("button", { type: "button", class: "quiet", title, onclick: () => input.click() }, "Import…");
  const field = el(
    "div",
    { class: "drop", hidden: true },
    el("p", {}, "Drop traces to make a run of them"),
    el("p", { class: "muted" }, `${title}.`),
  );
  const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    field.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) field.hidden = true;
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    field.hidden = true;
    take(event.dataTransfer?.files);
  });
  return { button: el("span", {}, button, input), field };
}
