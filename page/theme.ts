/** The colours of the drawings, in both of the forms they are needed in; the style sheet says light and dark. */

/** A colour as the style sheets write it, and as a pixel of image data (little endian: alpha, blue, green, red). */
export interface Colour {
  readonly css: string;
  readonly pixel: number;
}

/** Hues of span names, far from those of failures and of unfinished spans. */
const HUES = [255, 160, 305, 205, 112, 280, 185, 330, 232, 138];

const NAMES = [
  "paper",
  "panel",
  "line",
  "grid",
  "ink",
  "faint",
  "accent",
  "failed",
  "running",
  "lost",
  "hidden",
  "hit",
] as const;

/** Colours by what they are for. */
export type Theme = Readonly<Record<(typeof NAMES)[number], Colour>> & {
  /** Of span names and event types, by their index; repeats. */
  readonly fills: readonly Colour[];
  /** Text on those. */
  readonly onFill: string;
};

/** The theme that the style sheet has now. */
export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const resolve = (css: string): Colour => {
    if (context === null) return { css, pixel: 0 };
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0] = context.getImageData(0, 0, 1, 1).data;
    return { css, pixel: ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0 };
  };
  const named = Object.fromEntries(
    NAMES.map((name) => [name, resolve(style.getPropertyValue(`--${name}`).trim())]),
  );
  const [light, chroma] = style.getPropertyValue("--fill").trim().split(" ");
  return {
    ...(named as Record<(typeof NAMES)[number], Colour>),
    fills: HUES.map((hue) => resolve(`oklch(${light} ${chroma} ${hue})`)),
    onFill: style.getPropertyValue("--on-fill").trim(),
  };
}

/** Gives an element the colour of a span's name; the style sheet uses it. */
export function setFill(element: HTMLElement, index: number): void {
  element.style.setProperty("--of", `oklch(var(--fill) ${HUES[index % HUES.length] ?? 0})`);
  element.style.setProperty("--on-of", "var(--on-fill)");
}

/** A colour between two. @param share of the second, 0 to 1 */
export function mix(one: number, other: number, share: number): number {
  const part = Math.round(share * 256);
  const rest = 256 - part;
  const redBlue = (((one & 0xff00ff) * rest + (other & 0xff00ff) * part) >>> 8) & 0xff00ff;
  const green = (((one & 0x00ff00) * rest + (other & 0x00ff00) * part) >>> 8) & 0x00ff00;
  return (0xff000000 | redBlue | green) >>> 0;
}
