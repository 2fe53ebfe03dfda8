/** A layer as the server keeps it, and its frames written straight from docs/stream.md: what the page is tested against. */
import { deflateRawSync } from 'node:zlib';
import type { ColumnSchema } from '../src/protocol/frames';

export const SCHEMA: readonly ColumnSchema[] = [
  { name: 'risk', type: 'q16', scale: 0.01, offset: -5, unit: '1' },
  { name: 'level', type: 'u8', scale: 1, offset: 0, unit: null },
  { name: 'pm25', type: 'f32', scale: 1, offset: 0, unit: 'µg/m³' },
];

export type Row = readonly (number | null)[];

const KIND = { cells: 1, snapshot: 2, delta: 3, merged: 4 } as const;
const WIDTH = { q16: 2, u8: 1, f32: 4 } as const;

/** A small generator of numbers in [0, 1) that repeats: tests name their seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type About = {
  readonly sid?: number;
  readonly e?: number;
  readonly from: number;
  readonly q: number;
  readonly deflate?: boolean;
};

export function header(kind: keyof typeof KIND, rows: number, about: About): Buffer {
  const head = Buffer.alloc(40);
  head.set([0xc7, 1, KIND[kind], about.deflate ? 1 : 0]);
  head.writeUInt16LE(about.sid ?? 3, 4);
  head.set([0, 1], 6);
  head.writeUInt32LE(about.e ?? 0xa1f3, 8);
  head.writeUInt32LE(rows, 12);
  head.writeBigUInt64LE(BigInt(about.from), 16);
  head.writeBigUInt64LE(BigInt(about.q), 24);
  head.writeBigUInt64LE(1_795_342_119_000_000n, 32);
  return head;
}

function message(head: Buffer, body: Buffer, deflate: boolean): ArrayBuffer {
  const whole = Buffer.concat([head, deflate ? deflateRawSync(body) : body]);
  return whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.byteLength) as ArrayBuffer;
}

function dense(rows: readonly Row[]): Buffer {
  const parts = SCHEMA.map(({ type, scale, offset }, column) => {
    const out = Buffer.alloc(rows.length * WIDTH[type]);
    for (const [i, row] of rows.entries()) {
      const value = row[column] ?? null;
      if (type === 'q16') out.writeUInt16LE(value === null ? 65535 : Math.round((value - offset) / scale), i * 2);
      else if (type === 'u8') out.writeUInt8(value ?? 255, i);
      else out.writeFloatLE(value ?? Number.NaN, i * 4);
    }
    return out;
  });
  return Buffer.concat(parts);
}

export function varints(ordinals: readonly number[]): Buffer {
  const bytes: number[] = [];
  for (const [i, ordinal] of ordinals.entries()) {
    let gap = i === 0 ? ordinal : ordinal - (ordinals[i - 1] ?? 0);
    for (; gap >= 128; gap = Math.floor(gap / 128)) bytes.push((gap % 128) | 128);
    bytes.push(gap);
  }
  return Buffer.from(bytes);
}

export function cellsFrame(cells: readonly bigint[], about: About): ArrayBuffer {
  const body = Buffer.alloc(cells.length * 8);
  for (const [i, cell] of cells.entries()) body.writeBigUInt64LE(cell, i * 8);
  return message(header('cells', cells.length, about), body, false);
}

export function snapshotFrame(rows: readonly Row[], about: About): ArrayBuffer {
  return message(header('snapshot', rows.length, about), dense(rows), about.deflate ?? false);
}

export function deltaFrame(
  ordinals: readonly number[],
  rows: readonly Row[],
  about: About,
  merged = false,
): ArrayBuffer {
  const body = Buffer.concat([varints(ordinals), dense(rows)]);
  return message(header(merged ? 'merged' : 'delta', rows.length, about), body, about.deflate ?? false);
}

const BASE = 0x8930a1c00000000n;
export const cellOf = (i: number): bigint => BASE + BigInt(i) * 0x1000n;

export function randomRow(random: () => number): Row {
  if (random() < 0.1) return [null, null, null];
  return [
    random() < 0.1 ? null : Math.round(random() * 10_000) / 100,
    random() < 0.1 ? null : Math.floor(random() * 5),
    Math.fround(random() * 150),
  ];
}
