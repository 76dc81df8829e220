/**
 * What the built-in providers write of URLs and errors. Used by the instruments
 * and by uncaught.ts, in the traced thread; nothing here throws.
 */

/** Longest URL, path or message in an event, characters: enough to tell, too short to fill a ring. */
const MAX_TEXT = 1024;

/** Text cut to its limit. */
export function cut(text: string, most: number = MAX_TEXT): string {
  return text.length > most ? text.slice(0, most) : text;
}

/**
 * A URL without its secrets: no user and password, no query, no fragment. Those carry
 * tokens and personal data, and a trace is handed around.
 */
export function publicUrl(url: string): string {
  const end = url.search(/[?#]/);
  const whole = end < 0 ? url : url.slice(0, end);
  // The content itself.
  if (whole.startsWith("data:")) return "data:";
  const authority = whole.indexOf("//") + 2;
  if (authority < 2) return cut(whole);
  const slash = whole.indexOf("/", authority);
  const at = whole.lastIndexOf("@", slash < 0 ? whole.length : slash);
  return cut(at < authority ? whole : whole.slice(0, authority) + whole.slice(at + 1));
}

/** The path of an absolute URL, without its query: that is left out as in {@link publicUrl}. */
export function pathOf(url: string): string {
  const authority = url.indexOf("//");
  const slash = url.indexOf("/", authority < 0 ? 0 : authority + 2);
  if (slash < 0) return "/";
  const end = url.slice(slash).search(/[?#]/);
  return cut(end < 0 ? url.slice(slash) : url.slice(slash, slash + end));
}

/** An error in one line, `Name: message`. */
export function errorText(error: unknown): string {
  const { name, message } = partsOf(error);
  return cut(`${name}: ${message}`);
}

/**
 * An error's name and message. What is no Error is named by its type; of an object
 * that is all, since its `toString` is the program's.
 */
export function partsOf(error: unknown): { name: string; message: string } {
  try {
    if (error instanceof Error) return { name: String(error.name), message: cut(String(error.message)) };
    const primitive = error === null || (typeof error !== "object" && typeof error !== "function");
    const text = primitive ? cut(String(error)) : Object.prototype.toString.call(error);
    return { name: typeof error, message: text };
  } catch {
    return { name: "unknown", message: "unknown" };
  }
}
