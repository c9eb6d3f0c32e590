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
        const read = async (base64: string, factor: number): Promise<ImageData> => {
          const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
          const canvas = new OffscreenCanvas(Math.round(image.width / factor), Math.round(image.height / factor));
          const context = canvas.getContext("2d");
          if (!context) throw new Error("This browser has no 2D canvas.");
          context.imageSmoothingQuality = "high";
          context.drawImage(image, 0, 0, canvas.width, canvas.height);
          return context.getImageData(0, 0, canvas.width, canvas.height);
        };
        const a = await read(now, by);
        const canvas = document.createElement("canvas");
        canvas.width = a.width;
        canvas.height = a.height;
        canvas.getContext("2d")?.putImageData(a, 0, 0);
        const png = canvas.toDataURL("image/png").split(",")[1] ?? "";
        const b = before === null ? a : await read(before, 1);
        if (a.width !== b.width || a.height !== b.height) return { share: 1, reduced: png };
        let different = 0;
        for (let i = 0; i < a.data.length; i += 4) {
          const apart = [0, 1, 2].map((k) => Math.abs((a.data[i + k] ?? 0) - (b.data[i + k] ?? 0)));
          if (Math.max(...apart) >= visible) different++;
        }
        return { share: (4 * different) / a.data.length, reduced: png };
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
