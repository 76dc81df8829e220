// Colours of terminal text. On when the output is a terminal, and NO_COLOR and FORCE_COLOR say nothing else.
import { styleText } from "node:util";

/** What text is coloured by. */
export interface Palette {
  readonly time: Style;
  readonly eventName: Style;
  readonly fieldName: Style;
  readonly value: Style;
  readonly unknown: Style;
  readonly warning: Style;
}

/** What begins and ends a colour. */
export interface Style {
  readonly open: string;
  readonly close: string;
}

/** The palette for a stream. */
export function palette(stream: NodeJS.WriteStream): Palette {
  const on = wantsColour(stream);
  const style = (...formats: Parameters<typeof styleText>[0][]): Style => {
    if (!on) return { open: "", close: "" };
    const [open = "", close = ""] = formats
      .flat()
      .reduce((text, format) => styleText(format, text, { validateStream: false }), "|")
      .split("|");
    return { open, close };
  };
  return {
    time: style("yellow"),
    eventName: style("magenta", "bold"),
    fieldName: style("cyan"),
    value: style("bold"),
    unknown: style("red"),
    warning: style("yellow"),
  };
}

function wantsColour(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR: no, FORCE_COLOR: force } = process.env;
  if (force !== undefined) return force !== "0" && force !== "false";
  if (no !== undefined && no !== "") return false;
  return stream.isTTY === true && process.env["TERM"] !== "dumb";
}
