// Where Chromium is, installing it with the system's package manager when it is missing.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const names = ["chromium", "chromium-browser", "google-chrome"];

function find() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of names) {
    const { status, stdout } = spawnSync("which", [name], { encoding: "utf8" });
    if (status === 0) return stdout.trim();
  }
  return undefined;
}

function install() {
  if (spawnSync("apt-get", ["--version"], { stdio: "ignore" }).status !== 0) return;
  const asRoot = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"]]) {
    const [command, ...rest] = [...asRoot, "apt-get", ...args];
    const { status } = spawnSync(command, rest, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    if (status !== 0) return;
  }
}

/** Path of a Chromium, or undefined when there is none and none could be installed. */
export function ensureChromium() {
  const present = find();
  if (present) return present;
  process.stdout.write("Installing Chromium for the browser tests …\n");
  install();
  return find();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensureChromium();
