/** What all pages share: the bar on top, the theme, the token out of the address, a state for every failure. */

import { reasonOf, StatelineError } from "../trace/errors";
import type { RunInfo } from "../trace/run";
import { fetchRun } from "./api";
import { byId, el } from "./dom";

/** Runs a page's body; what it throws becomes the page's failed state. */
export function startPage(body: () => Promise<void>): void {
  dropToken();
  byId("theme").addEventListener("click", toggleTheme);
  body().catch((error: unknown) => fail(byId("main"), error));
}

/** What is known of a run: it comes with the page. Where the page came without, the server is asked and says why. */
export async function runOfPage(id: string): Promise<RunInfo> {
  const known = JSON.parse(byId("runs").textContent) as readonly RunInfo[];
  return known.find((run) => run.id === id) ?? fetchRun(id);
}

/** The cookie that came with the page stands for the token from now on. */
function dropToken(): void {
  const url = new URL(location.href);
  if (!url.searchParams.has("token")) return;
  url.searchParams.delete("token");
  history.replaceState(null, "", url);
}

function toggleTheme(): void {
  const root = document.documentElement;
  const dark =
    root.dataset["theme"] === "dark" || (!root.dataset["theme"] && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset["theme"] = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset["theme"]);
  dispatchEvent(new Event("themechange"));
}

/** Calls back when the page's colours change, by the button or by the system. */
export function onThemeChange(listener: () => void): void {
  addEventListener("themechange", listener);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listener);
}

/** Replaces what `host` holds by what went wrong and what to do. */
export function fail(host: HTMLElement, error: unknown): void {
  const known = error instanceof StatelineError ? error : null;
  host.replaceChildren(
    el(
      "section",
      { class: "state", role: "alert" },
      el("h2", {}, known?.code === "E_RUN_NOT_FOUND" ? "There is no such run" : "This did not work"),
      el("p", {}, known?.message ?? reasonOf(error)),
      el("p", { class: "muted" }, el("code", {}, known?.code ?? "E_PAGE_FAILED")),
      el("p", {}, el("a", { href: location.href }, "Try again"), " · ", el("a", { href: "/" }, "All runs")),
    ),
  );
}
