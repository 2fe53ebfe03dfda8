/** The pins' pictures, drawn once on a canvas: shape, colour and numeral of a severity; a flag for an order. */
import type { Map as MapLibre } from 'maplibre-gl';
import type { Severity } from '../protocol/frames';
import { SEVERITY_MARKS, shapeCorners } from '../theme/ramps';

const SIZE = 64;
const GROUND = '#07101f';

export function addPinImages(map: MapLibre): void {
  for (const severity of Object.keys(SEVERITY_MARKS) as Severity[])
    add(map, `alert-${severity}`, (c) => alertPin(c, severity));
  add(map, 'pin-count', countBadge);
  add(map, 'order-dispatched', (c) => orderPin(c, '#5fd0ff', false));
  add(map, 'order-accepted', (c) => orderPin(c, '#5fd0ff', true));
}

function add(map: MapLibre, name: string, draw: (c: CanvasRenderingContext2D) => void): void {
  const canvas = document.createElement('canvas');
  canvas.width = SIZE;
  canvas.height = SIZE;
  const context = canvas.getContext('2d');
  if (context === null) return;
  draw(context);
  map.addImage(name, context.getImageData(0, 0, SIZE, SIZE), { pixelRatio: 2 });
}

function alertPin(c: CanvasRenderingContext2D, severity: Severity): void {
  const mark = SEVERITY_MARKS[severity];
  const corners = shapeCorners(mark.sides);
  c.beginPath();
  if (corners.length === 0) c.arc(SIZE / 2, SIZE / 2, SIZE * 0.36, 0, 2 * Math.PI);
  for (const [x, y] of corners) c.lineTo(SIZE * (0.1 + 0.8 * x), SIZE * (0.1 + 0.8 * y));
  c.closePath();
  c.lineJoin = 'round';
  c.lineWidth = 8;
  c.strokeStyle = GROUND;
  c.stroke();
  c.fillStyle = mark.colour;
  c.fill();
  c.fillStyle = GROUND;
  c.font = `bold ${SIZE * 0.36}px "Noto Serif", "WenQuanYi Micro Hei", sans-serif`;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.fillText(mark.numeral, SIZE / 2, SIZE * (mark.sides === 3 ? 0.6 : 0.52));
}

/** The ground of the number of pins that stand in one place. */
function countBadge(c: CanvasRenderingContext2D): void {
  c.beginPath();
  c.arc(SIZE / 2, SIZE / 2, SIZE * 0.3, 0, 2 * Math.PI);
  c.lineWidth = 5;
  c.strokeStyle = GROUND;
  c.stroke();
  c.fillStyle = '#ffffff';
  c.fill();
}

/** An outlined flag is dispatched, a filled one accepted. Its foot stands on the place. */
function orderPin(c: CanvasRenderingContext2D, colour: string, filled: boolean): void {
  c.translate(SIZE / 2, SIZE / 2);
  c.beginPath();
  c.moveTo(0, 0);
  c.lineTo(0, -SIZE * 0.44);
  c.lineTo(SIZE * 0.34, -SIZE * 0.32);
  c.lineTo(0, -SIZE * 0.18);
  c.lineJoin = 'round';
  c.lineWidth = 9;
  c.strokeStyle = GROUND;
  c.stroke();
  c.lineWidth = 4;
  c.strokeStyle = colour;
  c.fillStyle = filled ? colour : GROUND;
  c.fill();
  c.stroke();
}
