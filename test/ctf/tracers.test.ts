/**
 * Traces as other tracers write them, made by hand because those cannot run here:
 * LTTng's kernel tracer (large event headers, contexts with a performance counter,
 * syscalls) and barectf (big-endian, aligned as C does, no numbers of packets). Read as
 * babeltrace2 reads them.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openTraces } from "../../src/ctf/index.ts";
import { BitWriter } from "./bits.ts";
import { packetized, UUID, writeTrace } from "./hand-made.ts";
import { ourText, theirText } from "./oracle.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-tracers-"));
afterAll(() => rmSync(root, { recursive: true }));

/** Expects both readers to say the same, and returns its lines. */
async function bothRead(directory: string): Promise<string[]> {
  const theirs = await theirText(directory);
  expect(theirs.stderr).toBe("");
  expect(ourText(directory)).toEqual({ text: theirs.text, problems: [] });
  return theirs.text.trimEnd().split("\n");
}

/** A packet whose head says its size in bits, which is known when all of it was written. */
function sizedPacket(write: (bits: BitWriter, size: bigint) => void): Uint8Array {
  const once = new BitWriter();
  write(once, 0n);
  const bits = new BitWriter();
  write(bits, BigInt(once.length));
  return bits.toBytes();
}

function uuid(bits: BitWriter): void {
  bits.bytes(Uint8Array.from(UUID.replaceAll("-", "").match(/../g) ?? [], (hex) => Number.parseInt(hex, 16)));
}

const KERNEL = `/* CTF 1.8 */

typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 16; align = 8; signed = false; } := uint16_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
typealias integer { size = 64; align = 8; signed = false; } := unsigned long;
typealias integer { size = 5; align = 1; signed = false; } := uint5_t;
typealias integer { size = 27; align = 1; signed = false; } := uint27_t;

trace {
	major = 1;
	minor = 8;
	uuid = "${UUID}";
	byte_order = le;
	packet.header := struct {
		uint32_t magic;
		uint8_t  uuid[16];
		uint32_t stream_id;
		uint64_t stream_instance_id;
	};
};

env {
	hostname = "box";
	domain = "kernel";
	sysname = "Linux";
	kernel_release = "6.1.0-18-amd64";
	kernel_version = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)";
	tracer_name = "lttng-modules";
	tracer_major = 2;
	tracer_minor = 13;
	tracer_patchlevel = 8;
	trace_buffering_scheme = "global";
};

clock {
	name = "monotonic";
	uuid = "5d6c1d2a-8a30-4cf8-a3b4-b40c9a1a0b8e";
	description = "Monotonic Clock";
	freq = 1000000000; /* Frequency, in Hz */
	/* clock value offset from Epoch is: offset * (1/freq) */
	offset = 1700000000123456789;
};

typealias integer { size = 27; align = 1; signed = false; map = clock.monotonic.value; } := uint27_clock_monotonic_t;
typealias integer { size = 32; align = 8; signed = false; map = clock.monotonic.value; } := uint32_clock_monotonic_t;
typealias integer { size = 64; align = 8; signed = false; map = clock.monotonic.value; } := uint64_clock_monotonic_t;

struct packet_context {
	uint64_clock_monotonic_t timestamp_begin;
	uint64_clock_monotonic_t timestamp_end;
	uint64_t content_size;
	uint64_t packet_size;
	uint64_t packet_seq_num;
	unsigned long events_discarded;
	uint32_t cpu_id;
};

struct event_header_compact {
	enum : uint5_t { compact = 0 ... 30, extended = 31 } id;
	variant <id> {
		struct { uint27_clock_monotonic_t timestamp; } compact;
		struct { uint32_t id; uint64_clock_monotonic_t timestamp; } extended;
	} v;
} align(8);

struct event_header_large {
	enum : uint16_t { compact = 0 ... 65534, extended = 65535 } id;
	variant <id> {
		struct { uint32_clock_monotonic_t timestamp; } compact;
		struct { uint32_t id; uint64_clock_monotonic_t timestamp; } extended;
	} v;
} align(8);

stream {
	id = 0;
	event.header := struct event_header_large;
	packet.context := struct packet_context;
	event.context := struct {
		integer { size = 32; align = 8; signed = 1; encoding = none; base = 10; } _tid;
		integer { size = 8; align = 8; signed = 1; encoding = UTF8; base = 10; } _procname[16];
		integer { size = 64; align = 8; signed = 0; encoding = none; base = 10; } _perf_cpu_cycles;
	};
};

event {
	name = "sched_switch";
	id = 0;
	stream_id = 0;
	fields := struct {
		integer { size = 8; align = 8; signed = 1; encoding = UTF8; base = 10; } _prev_comm[16];
		integer { size = 32; align = 8; signed = 1; encoding = none; base = 10; } _prev_tid;
		enum : integer { size = 64; align = 8; signed = 1; encoding = none; base = 16; } {
			"TASK_RUNNING" = 0, "TASK_INTERRUPTIBLE" = 1, "TASK_UNINTERRUPTIBLE" = 2, "TASK_DEAD" = 64,
		} _prev_state;
	};
};

event {
	name = "syscall_entry_openat";
	id = 1;
	stream_id = 0;
	fields := struct {
		integer { size = 32; align = 8; signed = 1; encoding = none; base = 10; } _dfd;
		string _filename;
		integer { size = 32; align = 8; signed = 1; encoding = none; base = 8; } _flags;
		integer { size = 16; align = 8; signed = 0; encoding = none; base = 8; } _mode;
	};
};

event {
	name = "syscall_exit_recvfrom";
	id = 70000;
	stream_id = 0;
	fields := struct {
		integer { size = 64; align = 8; signed = 1; encoding = none; base = 10; } _ret;
		integer { size = 64; align = 8; signed = 0; encoding = none; base = 16; } _ubuf;
		enum : integer { size = 32; align = 8; signed = 0; encoding = none; base = 10; } {
			"AF_UNSPEC" = 0, "AF_INET" = 2, "AF_INET6" = 10, "unknown" = 11 ... 4294967295,
		} _family;
		variant <_family> {
			struct { } AF_UNSPEC;
			struct {
				integer { size = 16; align = 8; signed = 0; encoding = none; base = 10; byte_order = be; } _sport;
				integer { size = 8; align = 8; signed = 0; encoding = none; base = 10; } _v4addr[4];
			} AF_INET;
			struct { integer { size = 16; align = 8; signed = 0; encoding = none; base = 16; byte_order = be; } _v6addr[8]; } AF_INET6;
		} _addr;
		integer { size = 32; align = 8; signed = 0; encoding = none; base = 10; } ___fds_length;
		integer { size = 64; align = 8; signed = 0; encoding = none; base = 16; } _fds[ ___fds_length ];
	};
};
`;

/** One packet of the kernel's channel; each event's time is a microsecond after the one before. */
function kernelPacket(
  cpu: number,
  begin: bigint,
  bodies: readonly (readonly [number, (bits: BitWriter) => void])[],
) {
  return sizedPacket((bits, size) => {
    const put = (value: bigint | number, width: number): void => bits.integer(BigInt(value), width, true);
    put(0xc1fc1fc1, 32);
    uuid(bits);
    put(0, 32);
    put(cpu, 64);
    put(begin, 64);
    put(begin + 1000n * BigInt(bodies.length), 64);
    put(size, 64);
    put(size + 4096n * 8n, 64);
    for (const value of [0, 0]) put(value, 64);
    put(cpu, 32);
    let time = begin;
    for (const [id, body] of bodies) {
      time += 1000n;
      if (id < 65_535) {
        put(id, 16);
        put(time & 0xffff_ffffn, 32);
      } else {
        put(65_535, 16);
        put(id, 32);
        put(time, 64);
      }
      put(4000 + cpu, 32);
      bits.bytes(text("swapper/0", 16));
      put(0xffff_ffff_ffff_fff0n, 64);
      body(bits);
    }
  });
}

function text(characters: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new TextEncoder().encodeInto(characters, bytes);
  return bytes;
}

test("LTTng's kernel tracer: large headers, contexts, syscalls, an index beside the streams", async () => {
  const put = (bits: BitWriter, value: bigint | number, width: number): void =>
    bits.integer(BigInt(value), width, true);
  const bodies: [number, (bits: BitWriter) => void][] = [
    [
      0,
      (bits) => {
        bits.bytes(text("kworker/u4:2-ev", 16));
        put(bits, -1, 32);
        put(bits, 2, 64);
      },
    ],
    [
      1,
      (bits) => {
        put(bits, -100, 32);
        bits.bytes(text("/etc/\u{e9}t\u{e9}", 11));
        put(bits, 0o2000000, 32);
        put(bits, 0o644, 16);
      },
    ],
    ...([2, 10, 0] as const).map((family): [number, (bits: BitWriter) => void] => [
      70_000,
      (bits) => {
        put(bits, -11, 64);
        put(bits, 0xffff_8881_0000_1000n, 64);
        put(bits, family, 32);
        if (family === 2) bits.bytes(Uint8Array.of(0x1f, 0x90, 127, 0, 0, 1));
        if (family === 10) bits.bytes(Uint8Array.from({ length: 16 }, (_none, at) => at * 16));
        put(bits, family, 32);
        for (let at = 0; at < family; at += 1) put(bits, at << 8, 64);
      },
    ]),
  ];
  const channel = (cpu: number): Uint8Array => {
    // The low half of the time wraps in the first packet.
    const first = 0x7_ffff_ffff_f000n + BigInt(cpu);
    const packets = [first, first + 1_000_000n].map((begin) => kernelPacket(cpu, begin, bodies));
    return Buffer.concat(packets.flatMap((bytes) => [bytes, new Uint8Array(4096)]));
  };
  const directory = writeTrace(join(root, "kernel"), {
    metadata: packetized(KERNEL, true, 4096),
    channel0_0: channel(0),
    channel0_1: channel(1),
  });
  mkdirSync(join(directory, "index"));
  writeFileSync(join(directory, "index", "channel0_0.idx"), "not a stream");
  const lines = await bothRead(directory);
  expect(lines.length).toBe(20);
  expect(lines[0]).toContain('prev_comm = "kworker/u4:2-ev", prev_tid = -1');
  const recvfrom = [...openTraces(directory).groups({ event: ({ id }) => id === 70_000n })];
  const ports = recvfrom.flatMap(({ columns, length }) =>
    Array.from({ length }, (_none, row) => columns.find(({ name }) => name === "addr")?.value(row)),
  );
  expect(ports.filter((port) => JSON.stringify(port) === '{"sport":8080,"v4addr":[127,0,0,1]}').length).toBe(
    4,
  );
});

const BARE = `/* CTF 1.8 */

/* Written by hand, as barectf 3 writes it */
trace {
	major = 1;
	minor = 8;
	byte_order = be;
	uuid = "${UUID}";
	packet.header := struct {
		integer { signed = false; size = 32; align = 32; byte_order = be; base = 10; } magic;
		integer { signed = false; size = 8; align = 8; byte_order = be; base = 10; } uuid[16];
		integer { signed = false; size = 8; align = 8; byte_order = be; base = 10; } stream_id;
	} align(8);
};

env {
	domain = "bare";
	tracer_name = "barectf";
	tracer_major = 3;
	tracer_minor = 0;
	tracer_patch = 1;
	tracer_pre = "";
	barectf_gen_date = "2024-01-01T00:00:00";
};

clock {
	name = cycles;
	description = "the counter";
	freq = 48000000;
	precision = 4;
	offset_s = 1434072888;
	offset = 2003912;
	absolute = false;
};

stream {
	id = 3;
	packet.context := struct {
		integer { signed = false; size = 32; align = 32; byte_order = be; base = 10; } packet_size;
		integer { signed = false; size = 32; align = 32; byte_order = be; base = 10; } content_size;
		integer { signed = false; size = 64; align = 64; byte_order = be; base = 10; map = clock.cycles.value; } timestamp_begin;
		integer { signed = false; size = 64; align = 64; byte_order = be; base = 10; map = clock.cycles.value; } timestamp_end;
		integer { signed = false; size = 32; align = 32; byte_order = be; base = 10; } events_discarded;
	} align(8);
	event.header := struct {
		integer { signed = false; size = 8; align = 8; byte_order = be; base = 10; } id;
		integer { signed = false; size = 20; align = 1; byte_order = be; base = 10; map = clock.cycles.value; } timestamp;
	} align(8);
};

event {
	name = "boot";
	id = 0;
	stream_id = 3;
	loglevel = 6;
	fields := struct {
		integer { signed = true; size = 12; align = 1; byte_order = be; base = 10; } volts;
		floating_point { exp_dig = 8; mant_dig = 24; align = 32; byte_order = be; } temperature;
		enum : integer { signed = false; size = 3; align = 1; byte_order = be; base = 10; } {
			"COLD START" = 0, WARM = 1 ... 3, "\\"odd\\"" = 7,
		} cause;
	} align(1);
};

event {
	name = "message";
	id = 1;
	stream_id = 3;
	fields := struct {
		string { encoding = UTF8; } text;
		integer { signed = false; size = 64; align = 64; byte_order = le; base = 16; } mixed;
		integer { signed = false; size = 5; align = 1; byte_order = be; base = 2; } five[3];
	} align(8);
};
`;

test("barectf: big-endian, aligned, bit fields, truncated times", async () => {
  const float = new DataView(new ArrayBuffer(4));
  const stream = [5_000_000n, 9_000_000n].map((begin) =>
    sizedPacket((bits, size) => {
      const put = (value: bigint | number, width: number, align = width): void => {
        bits.align(align);
        bits.integer(BigInt(value), width, false);
      };
      put(0xc1fc1fc1, 32);
      uuid(bits);
      put(3, 8);
      put(((size + 7n) / 8n) * 8n, 32);
      put(size, 32);
      put(begin, 64);
      put(begin + 3_000_000n, 64);
      put(0, 32);
      for (let event = 0; event < 40; event += 1) {
        put(event % 2, 8);
        put((begin + BigInt(event) * 70_000n) & 0xf_ffffn, 20, 1);
        // A structure is aligned as its members are.
        bits.align(event % 2 === 0 ? 32 : 64);
        if (event % 2 === 0) {
          put(event - 20, 12, 1);
          float.setFloat32(0, event / 3);
          put(float.getUint32(0), 32);
          put([0, 2, 7, 5][(event >> 1) % 4] ?? 0, 3, 1);
        } else {
          bits.bytes(text("tick ".repeat((event % 7) + 1), ((event % 7) + 1) * 5 + 1));
          bits.align(64);
          bits.integer(0x0123_4567_89ab_cdefn, 64, true);
          for (let element = 0; element < 3; element += 1) put((event + element) % 32, 5, 1);
        }
      }
    }),
  );
  const directory = writeTrace(join(root, "bare"), { metadata: BARE, stream: Buffer.concat(stream) });
  const lines = await bothRead(directory);
  expect(lines.length).toBe(80);
  const set = openTraces(directory);
  const volts = [...set.groups()].flatMap(({ columns, length }) => [
    ...(columns.find(({ name }) => name === "volts")?.numbers?.slice(0, length) ?? []),
  ]);
  expect(volts).toEqual(Array.from({ length: 40 }, (_none, at) => (at % 20) * 2 - 20));
});
