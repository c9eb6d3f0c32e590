// npm's prepare script: after any install in a clone, so that `npm ci` by hand and `npm start` agree on what is done.
import { buildTypeScript } from "./build.mjs";
import { fingerprint, installManifest, markDone } from "./lib.mjs";

markDone("install", fingerprint(installManifest));
await buildTypeScript();
