/** Binary layer frames: a 40-byte header, then a body that is read with the schema of its subscription. */
import type { ColumnSchema, LayerBinary } from './frames';
import { Malformed } from './read';

export const HEADER_BYTES = 40;
const MAGIC = 0xc7;
const VERSION = 1;
const FLAG_DEFLATED = 1;
const KINDS = { 1: 'cells', 2: 'snapshot', 3: 'delta', 4: 'delta' } as const;
const WIDTH = { q16: 2, u8: 1, f32: 4 } as const;
const NULL_Q16 = 65535;
const NULL_U8 = 255;

/** The header and the raw body; a deflated body must go through `inflate` before it is read. */
export type RawFrame = { readonly frame: LayerBinary; readonly deflated: boolean };

export function decodeHeader(buffer: ArrayBuffer): RawFrame {
  if (buffer.byteLength < HEADER_BYTES)
    throw new Malformed(`a binary frame of ${buffer.byteLength} bytes has no header`);
  const view = new DataView(buffer);
  if (view.getUint8(0) !== MAGIC || view.getUint8(1) !== VERSION) throw new Malformed('not a frame of loom.v1');
  const code = view.getUint8(2);
  if (code !== 1 && code !== 2 && code !== 3 && code !== 4) throw new Malformed(`frame kind ${code} is not known`);
  const frame: LayerBinary = {
    t: 'layer-binary',
    kind: KINDS[code],
    sid: view.getUint16(4, true),
    e: view.getUint32(8, true).toString(16).padStart(8, '0'),
    rows: view.getUint32(12, true),
    from: Number(view.getBigUint64(16, true)),
    q: Number(view.getBigUint64(24, true)),
    tsMs: Number(view.getBigUint64(32, true)) / 1000,
    body: new Uint8Array(buffer, HEADER_BYTES),
  };
  return { frame, deflated: (view.getUint8(3) & FLAG_DEFLATED) !== 0 };
}

/** The frame with its body unpacked. */
export async function inflate(raw: RawFrame): Promise<LayerBinary> {
  if (!raw.deflated) return raw.frame;
  const packed = new Blob([raw.frame.body.slice()]).stream();
  const plain = await new Response(packed.pipeThrough(new DecompressionStream('deflate-raw'))).arrayBuffer();
  return { ...raw.frame, body: new Uint8Array(plain) };
}

/** H3 indexes of a frame of kind `cells`. */
export function readCells(frame: LayerBinary): BigUint64Array {
  if (frame.body.byteLength !== frame.rows * 8)
    throw new Malformed(`${frame.rows} cells in ${frame.body.byteLength} bytes`);
  const view = viewOf(frame.body);
  return BigUint64Array.from({ length: frame.rows }, (_, i) => view.getBigUint64(i * 8, true));
}

/** Dense columns of a snapshot. */
export function readColumns(frame: LayerBinary, schema: readonly ColumnSchema[]): Float32Array[] {
  return columnsAt(frame.body, 0, frame.rows, schema);
}

export type Delta = { readonly ordinals: Uint32Array; readonly columns: readonly Float32Array[] };

/** Ordinals of a delta and their values, column by column. */
export function readDelta(frame: LayerBinary, schema: readonly ColumnSchema[]): Delta {
  const { body, rows } = frame;
  if (rows > body.byteLength) throw new Malformed(`${rows} rows in ${body.byteLength} bytes`);
  const ordinals = new Uint32Array(rows);
  let at = 0;
  let ordinal = 0;
  for (let row = 0; row < rows; row++) {
    let gap = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = body[at++];
      if (byte === undefined || shift > 2 ** 28) throw new Malformed('a gap of ordinals has no end');
      gap += (byte & 127) * shift;
      if (byte < 128) break;
    }
    ordinal += gap;
    ordinals[row] = ordinal;
  }
  return { ordinals, columns: columnsAt(body, at, rows, schema) };
}

function columnsAt(body: Uint8Array, start: number, rows: number, schema: readonly ColumnSchema[]): Float32Array[] {
  const rowBytes = schema.reduce((sum, column) => sum + WIDTH[column.type], 0);
  const found = body.byteLength - start;
  if (found !== rows * rowBytes) throw new Malformed(`${found} bytes for ${rows} rows of ${rowBytes} bytes`);
  const view = viewOf(body);
  let at = start;
  return schema.map((column) => {
    const values = readColumn(view, at, rows, column);
    at += rows * WIDTH[column.type];
    return values;
  });
}

function readColumn(view: DataView, at: number, rows: number, column: ColumnSchema): Float32Array {
  const values = new Float32Array(rows);
  for (let row = 0; row < rows; row++) values[row] = readValue(view, at, row, column);
  return values;
}

function readValue(view: DataView, at: number, row: number, column: ColumnSchema): number {
  switch (column.type) {
    case 'q16': {
      const raw = view.getUint16(at + row * 2, true);
      return raw === NULL_Q16 ? Number.NaN : column.offset + raw * column.scale;
    }
    case 'u8': {
      const raw = view.getUint8(at + row);
      return raw === NULL_U8 ? Number.NaN : raw;
    }
    case 'f32':
      return view.getFloat32(at + row * 4, true);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
