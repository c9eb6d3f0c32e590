/**
 * Keys that let someone look at some runs for a while: what a notebook holds, and is saved with, in place of the token.
 *
 * A key is made of the token, so it dies with the server; it opens no other run and changes nothing.
 */

import { createHmac, timingSafeEqual } from "node:crypto";

/** A day's work in a notebook. */
const LIFETIME_MS = 8 * 3600 * 1000;
const FORM = /^view\.(\d{13})\.([\w~.-]+)\.[\w-]{43}$/;
/** Between ids, which never hold it. */
const SEPARATOR = "~";

export function makeViewKey(token: string, runs: readonly string[], now: number = Date.now()): string {
  return keyUntil(token, runs.join(SEPARATOR), now + LIFETIME_MS);
}

export const isViewKey = (text: string): boolean => FORM.test(text);

/** The runs that `key` opens: none when it is not of this server or its time is over. */
export function runsOfKey(key: string, token: string, now: number = Date.now()): readonly string[] {
  const [, until = "0", runs = ""] = FORM.exec(key) ?? [];
  const right = Buffer.from(keyUntil(token, runs, Number(until)));
  const given = Buffer.from(key);
  const valid = Number(until) > now && right.length === given.length && timingSafeEqual(right, given);
  return valid ? runs.split(SEPARATOR) : [];
}

function keyUntil(token: string, runs: string, until: number): string {
  return `view.${until}.${runs}.${createHmac("sha256", token).update(`${until} ${runs}`).digest("base64url")}`;
}
