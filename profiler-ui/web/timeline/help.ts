/** The sheet of keys and gestures. */

import { el } from "../dom";
import { HELP } from "./keys";

export function helpSheet(): HTMLDialogElement {
  const dialog = el(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    el("h2", { id: "help-title" }, "Keys and gestures"),
    el(
      "dl",
      {},
      ...HELP.flatMap(([keys, meaning]) => [
        el("dt", {}, ...keys.map((key) => el("kbd", {}, key))),
        el("dd", {}, meaning),
      ]),
    ),
    el("form", { method: "dialog" }, el("button", { type: "submit" }, "Close")),
  );
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return dialog;
}
