/** A severity by colour, shape and numeral. */
import type { Severity } from '../protocol/frames';
import { SEVERITY_MARKS, shapeCorners } from '../theme/ramps';

export function SeverityBadge({
  severity,
  urgent = false,
}: {
  readonly severity: Severity;
  readonly urgent?: boolean;
}) {
  const mark = SEVERITY_MARKS[severity];
  const points = shapeCorners(mark.sides)
    .map(([x, y]) => `${(2 + x * 28).toFixed(1)},${(2 + y * 28).toFixed(1)}`)
    .join(' ');
  return (
    <svg
      class={urgent ? 'badge urgent' : 'badge'}
      viewBox="0 0 32 32"
      role="img"
      aria-label={`${mark.numeral} ${severity}`}
    >
      {mark.sides === 0 ? (
        <circle cx="16" cy="16" r="13.5" fill={mark.colour} />
      ) : (
        <polygon points={points} fill={mark.colour} stroke={mark.colour} stroke-width="2" stroke-linejoin="round" />
      )}
      <text x="16" y={mark.sides === 3 ? 23.5 : 20.8} text-anchor="middle">
        {mark.numeral}
      </text>
    </svg>
  );
}
