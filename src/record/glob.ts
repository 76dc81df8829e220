/**
 * Globs over event names (`http:*`), and the choice of events a session makes
 * with them. Used by sessions in the traced process and by the command to refuse
 * bad input early.
 */
import { isLevel, type Level, LEVELS } from "./levels.ts";

/**
 * Checks a glob over event names: letters, digits, `_ . : -` and the wildcards
 * `*` and `?`; after an `@`, the least grave level that is still recorded.
 * @throws Error with one line: what is wrong with which glob.
 */
export function parseGlob(glob: string): (name: string, level: number) => boolean {
  const at = glob.indexOf("@");
  const names = at < 0 ? glob : glob.slice(0, at);
  const level = at < 0 ? "debug" : glob.slice(at + 1);
  if (!/^[A-Za-z0-9_.:*?-]+$/.test(names))
    throw new Error(
      `bad glob ${JSON.stringify(glob)}: use event names such as "http:request_*", with * and ? as wildcards`,
    );
  if (!isLevel(level))
    throw new Error(`bad level in ${JSON.stringify(glob)}: use one of ${Object.keys(LEVELS).join(", ")}`);
  const pattern = new RegExp(`^${names.replace(/[.]/g, "\\.").replaceAll("*", ".*").replaceAll("?", ".")}$`);
  return (name, number) => number <= LEVELS[level as Level] && pattern.test(name);
}

/**
 * What decides whether an event type is enabled: the last rule that matches it, a
 * glob or, with `!` before it, one that switches off. No rules: all are enabled.
 * Rules that do not parse (somebody is writing them) are passed over.
 */
export function parseRules(rules: readonly string[]): (name: string, level: number) => boolean {
  const tests = rules.flatMap((rule) => {
    try {
      return [{ on: !rule.startsWith("!"), matches: parseGlob(rule.replace("!", "")) }];
    } catch {
      return [];
    }
  });
  return (name, level) =>
    tests.length === 0 || (tests.findLast(({ matches }) => matches(name, level))?.on ?? false);
}
