/** Pictures compared at reduced size: fonts and their edges differ between machines, what is drawn where does not. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Browser } from "playwright-core";

/** The kept picture has one pixel for so many of the screen's in each direction. */
const REDUCED = 6;

/** Levels of a channel, 0 to 255, from which on a pixel is another one: text of another font, reduced, stays below. */
const VISIBLE = 48;

/** Share of pixels that differ visibly between a screenshot and a kept picture, 0..1; 1 where their sizes differ. */
export async function differenceFrom(browser: Browser, kept: string, screenshot: Buffer): Promise<number> {
  if (!existsSync(kept)) throw new Error(`There is no ${kept}; UPDATE_PICTURES=1 makes it.`);
  return (await reduce(browser, screenshot, readFileSync(kept))).share;
}

/** Makes a screenshot the kept picture. */
export async function keepPicture(browser: Browser, kept: string, screenshot: Buffer): Promise<void> {
  mkdirSync(dirname(kept), { recursive: true });
  writeFileSync(kept, (await reduce(browser, screenshot, null)).reduced);
}

async function reduce(
  browser: Browser,
  screenshot: Buffer,
  kept: Buffer | null,
): Promise<{ share: number; reduced: Buffer }> {
  const page = await browser.newPage();
  try {
    const { share, reduced } = await page.evaluate(
      async ({ now, before, by, visible }) => {
        const load = async (base64: string): Promise<ImageBitmap> =>
          createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
        const image = await load(now);
        const like = before === null ? null : await load(before);
        const canvas = document.createElement("canvas");
        canvas.width = like?.width ?? Math.round(image.width / by);
        canvas.height = like?.height ?? Math.round(image.height / by);
        const context = canvas.getContext("2d", { willReadFrequently: true });
        if (!context) throw new Error("This browser has no 2D canvas.");
        const pixels = (drawn: ImageBitmap): Uint8ClampedArray => {
          context.imageSmoothingQuality = "high";
          context.clearRect(0, 0, canvas.width, canvas.height);
          context.drawImage(drawn, 0, 0, canvas.width, canvas.height);
          return context.getImageData(0, 0, canvas.width, canvas.height).data;
        };
        const b = like ? pixels(like) : new Uint8ClampedArray(0);
        const a = pixels(image);
        const png = canvas.toDataURL("image/png").split(",")[1] ?? "";
        // Where a picture begins between two pixels of the screen, it has one more of them.
        const fits = Math.abs(image.width / by - canvas.width) < 1 && Math.abs(image.height / by - canvas.height) < 1;
        if (!fits) return { share: 1, reduced: png };
        let different = 0;
        for (let i = 0; i < a.length; i += 4) {
          const apart = [0, 1, 2].map((k) => Math.abs((a[i + k] ?? 0) - (b[i + k] ?? 0)));
          if (Math.max(...apart) >= visible) different++;
        }
        return { share: (4 * different) / a.length, reduced: png };
      },
      {
        now: screenshot.toString("base64"),
        before: kept && kept.toString("base64"),
        by: REDUCED,
        visible: VISIBLE,
      },
    );
    return { share, reduced: Buffer.from(reduced, "base64") };
  } finally {
    await page.close();
  }
}
