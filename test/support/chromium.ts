/** The system's Chromium, driven by playwright-core: browser downloads cannot be assumed. */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

/** env CHROMIUM, /usr/bin/chromium, or what the PATH has. */
export function chromiumPath(): string {
  const named = process.env["CHROMIUM"];
  if (named) return named;
  if (existsSync("/usr/bin/chromium")) return "/usr/bin/chromium";
  for (const command of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [command], { encoding: "utf8" }).trim();
    } catch {
      continue; // not on the PATH; the next name may be
    }
  }
  throw new Error("Browser tests need Chromium: install it (apt install chromium) or set CHROMIUM to its path.");
}

/** Root, as in containers, cannot use Chromium's sandbox. */
export async function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath(),
    args: [
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--force-color-profile=srgb",
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    ],
  });
}
