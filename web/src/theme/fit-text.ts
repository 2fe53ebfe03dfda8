/** The wall's text follows its real height: 67.5 rem are its height on 16:9, 54 rem on a spliced 32:9 screen. */

const PLAIN_REMS = 67.5;
const WIDE_REMS = 54;
const WIDE_FROM = 2.4;
const SMALLEST_PX = 9;

/** Follows the window. `?scale=1.2` makes all of it larger, for a wall that is seen from far. */
export function fitText(): void {
  const asked = Number(new URLSearchParams(location.search).get('scale'));
  const scale = asked >= 0.5 && asked <= 3 ? asked : 1;
  const follow = (): void => {
    const rems = innerWidth / innerHeight >= WIDE_FROM ? WIDE_REMS : PLAIN_REMS;
    const px = Math.max(SMALLEST_PX, (Math.min(innerHeight, innerWidth) / rems) * scale);
    document.documentElement.style.fontSize = `${px.toFixed(3)}px`;
  };
  addEventListener('resize', follow);
  follow();
}
