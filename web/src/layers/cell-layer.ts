/** The cells on the graphics card: a MapLibre custom layer. A tick is one texture upload; geometry is written once a cell. */
import type { CustomLayerInterface, CustomRenderMethodInput } from 'maplibre-gl';
import type { Picture } from '../state/model';
import { RAMP_STEPS, rampTexels } from '../theme/ramps';
import { CORNER_FLOATS, CORNERS, cellCorners, cellIndexes, INDEXES } from './cell-geometry';
import { linkProgram, originMatrix, texture } from './gl';
import { hotFrom } from './hot';
import { cellCentre, project, type Xy } from './mercator';

const ROW = 1024;
const CHUNK = 4 * ROW;
/** Stands for null in the texture: NaN is not dependable in shaders. */
const NO_VALUE = -3e38;
/** A hot cell is at least this share of the map's height in radius, its glow this many times more. */
const HOT_RADIUS = 1 / 240;
const GLOW = 2.2;
const GLOW_OPACITY = 0.34;

const VERTEX = `#version 300 es
in vec4 corner;
uniform mat4 matrix;
uniform vec2 span;
uniform float swell;
uniform float from;
uniform float opacity;
uniform highp sampler2D cellValues;
uniform sampler2D ramp;
flat out vec4 colour;
void main() {
  int cell = gl_VertexID / ${CORNERS};
  float value = texelFetch(cellValues, ivec2(cell % ${ROW}, cell / ${ROW}), 0).r;
  float t = clamp((value - span.x) / (span.y - span.x), 0.0, 1.0);
  colour = texelFetch(ramp, ivec2(int(t * ${RAMP_STEPS - 1}.0 + 0.5), 0), 0);
  colour = vec4(colour.rgb * colour.a, colour.a) * opacity;
  bool absent = value < -1e38 || t < from;
  gl_Position = absent ? vec4(2.0, 2.0, 2.0, 1.0) : matrix * vec4(corner.xy + corner.zw * swell, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
flat in vec4 colour;
out vec4 fragment;
void main() { fragment = colour; }`;

type Shown = {
  readonly picture: Picture;
  readonly column: number;
  readonly range: readonly [number, number];
};

const UNIFORMS = ['matrix', 'span', 'cellValues', 'ramp', 'swell', 'from', 'opacity'] as const;

type Card = {
  readonly program: WebGLProgram;
  readonly vao: WebGLVertexArrayObject;
  readonly vertices: WebGLBuffer;
  readonly indexes: WebGLBuffer;
  readonly values: WebGLTexture;
  readonly ramp: WebGLTexture;
  readonly uniform: Readonly<Record<(typeof UNIFORMS)[number], WebGLUniformLocation | null>>;
};

/** The layer and its one lever. `show(null)` draws nothing. */
export type CellLayer = {
  readonly layer: CustomLayerInterface;
  readonly show: (shown: Shown | null) => void;
};

export function createCellLayer(id: string): CellLayer {
  let card: Card | null = null;
  let shown: Shown | null = null;
  let dirty = false;
  let origin: Xy = [0, 0];
  let drawnIds: ReadonlyMap<bigint, number> | null = null;
  let written = 0;
  let capacity = 0;
  let staging = new Float32Array(0);
  /** Of the cells, in the map's own measure. */
  let radius = 0;
  let hot = 2;

  function grow(gl: WebGL2RenderingContext, c: Card, needed: number): void {
    capacity = Math.ceil((needed * 1.25) / CHUNK) * CHUNK;
    written = 0;
    staging = new Float32Array(capacity);
    gl.bindBuffer(gl.ARRAY_BUFFER, c.vertices);
    gl.bufferData(gl.ARRAY_BUFFER, capacity * CORNERS * CORNER_FLOATS * 4, gl.STATIC_DRAW);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, cellIndexes(0, capacity), gl.STATIC_DRAW);
    gl.bindTexture(gl.TEXTURE_2D, c.values);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, ROW, capacity / ROW, 0, gl.RED, gl.FLOAT, staging);
  }

  /** Corners of the cells that came since the last time; all of them for a new epoch. */
  function writeCells(gl: WebGL2RenderingContext, c: Card, { table }: Picture): void {
    if (table.ordinals !== drawnIds) {
      drawnIds = table.ordinals;
      written = 0;
      const first = table.ids[0];
      if (table.length > 0 && first !== undefined) origin = project(...cellCentre(first));
    }
    if (table.length > capacity) grow(gl, c, table.length);
    if (written >= table.length) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, c.vertices);
    const corners = cellCorners(table.ids.subarray(written, table.length), origin);
    radius = Math.hypot(corners[2] ?? 0, corners[3] ?? 0);
    gl.bufferSubData(gl.ARRAY_BUFFER, written * CORNERS * CORNER_FLOATS * 4, corners);
    written = table.length;
  }

  function writeValues(gl: WebGL2RenderingContext, { picture, column, range }: Shown): void {
    const values = picture.columns[column];
    if (values === undefined || picture.table.length === 0) return;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? Number.NaN;
      staging[i] = Number.isNaN(value) ? NO_VALUE : value;
    }
    hot = hotFrom(values, range);
    const rows = Math.ceil(picture.table.length / ROW);
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, ROW, rows, gl.RED, gl.FLOAT, staging.subarray(0, rows * ROW));
  }

  function render(gl: WebGL2RenderingContext, args: CustomRenderMethodInput): void {
    if (card === null || shown === null || shown.picture.table.length === 0) return;
    gl.bindVertexArray(card.vao);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, card.ramp);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, card.values);
    if (dirty) {
      writeCells(gl, card, shown.picture);
      gl.bindTexture(gl.TEXTURE_2D, card.values);
      writeValues(gl, shown);
      dirty = false;
    }
    gl.useProgram(card.program);
    gl.uniform1i(card.uniform.cellValues, 0);
    gl.uniform1i(card.uniform.ramp, 1);
    gl.uniform2f(card.uniform.span, ...shown.range);
    gl.uniformMatrix4fv(card.uniform.matrix, false, originMatrix(args.defaultProjectionData.mainMatrix, origin));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const pixels = (radius * Math.abs(args.defaultProjectionData.mainMatrix[0] ?? 0) * gl.drawingBufferWidth) / 2;
    const core = Math.max(1, (HOT_RADIUS * gl.drawingBufferHeight) / Math.max(pixels, 1e-3));
    pass(gl, card, { from: hot, swell: core * GLOW - 1, opacity: GLOW_OPACITY });
    pass(gl, card, { from: 0, swell: 0, opacity: 1 });
    pass(gl, card, { from: hot, swell: core - 1, opacity: 1 });
    gl.bindVertexArray(null);
  }

  function pass(gl: WebGL2RenderingContext, c: Card, how: { from: number; swell: number; opacity: number }): void {
    if (how.from > 1) return;
    gl.uniform1f(c.uniform.from, how.from);
    gl.uniform1f(c.uniform.swell, how.swell);
    gl.uniform1f(c.uniform.opacity, how.opacity);
    gl.drawElements(gl.TRIANGLES, written * INDEXES, gl.UNSIGNED_INT, 0);
  }

  const layer: CustomLayerInterface = {
    id,
    type: 'custom',
    renderingMode: '2d',
    onAdd: (_map, gl) => {
      card = createCard(gl);
      capacity = 0;
      dirty = true;
    },
    onRemove: () => {
      card = null;
    },
    render,
  };
  return {
    layer,
    show: (next) => {
      shown = next;
      dirty = true;
    },
  };
}

function createCard(gl: WebGL2RenderingContext): Card {
  const program = linkProgram(gl, VERTEX, FRAGMENT);
  const vao = gl.createVertexArray();
  const vertices = gl.createBuffer();
  const indexes = gl.createBuffer();
  gl.bindVertexArray(vao);
  gl.bindBuffer(gl.ARRAY_BUFFER, vertices);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indexes);
  const corner = gl.getAttribLocation(program, 'corner');
  gl.enableVertexAttribArray(corner);
  gl.vertexAttribPointer(corner, CORNER_FLOATS, gl.FLOAT, false, 0, 0);
  gl.bindVertexArray(null);
  const values = texture(gl);
  const ramp = texture(gl);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, RAMP_STEPS, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, rampTexels());
  const uniform = Object.fromEntries(
    UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)]),
  ) as Card['uniform'];
  return { program, vao, vertices, indexes, values, ramp, uniform };
}
