/**
 * Where sites stand on the map. Distances on the page follow the number of hops between sites (stress majorization): each
 * site moves to where all others would have it, again and again. No chance is in it, so the same bus always looks the same.
 */

/** @typedef {{ x: number, y: number }} Point */

const rounds = 200;
/** between sites that no link joins, in hops more than the longest way */
const apart = 1.5;

/**
 * Places in a box of the given size, by name.
 * @param {readonly string[]} names @param {readonly (readonly [string, string])[]} pairs joined by a link
 * @param {{ width: number, height: number, margin: number }} box
 * @returns {Map<string, Point>}
 */
export function placeSites(names, pairs, box) {
  const hops = allHops(names, pairs);
  const points = names.map((_, i) => onCircle(i, names.length));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < points.length; i++) points[i] = wantedPlace(i, points, hops);
  }
  return fitted(names, points, box);
}

/** @param {number} i @param {number} total @returns {Point} */
function onCircle(i, total) {
  // a quarter turn and a little: nothing starts exactly above or beside another
  const angle = (2 * Math.PI * i) / Math.max(1, total) - 2.5;
  return { x: Math.cos(angle), y: Math.sin(angle) };
}

/** The mean of where the others would have site `i`, near ones weighing more. @param {number} i @param {Point[]} points @param {number[][]} hops @returns {Point} */
function wantedPlace(i, points, hops) {
  const own = /** @type {Point} */ (points[i]);
  const sum = { x: 0, y: 0, weight: 0 };
  points.forEach((other, j) => {
    if (i === j) return;
    const far = hops[i]?.[j] ?? 1;
    const weight = 1 / far ** 2;
    const between = Math.hypot(own.x - other.x, own.y - other.y) || 1e-6;
    sum.x += weight * (other.x + (far * (own.x - other.x)) / between);
    sum.y += weight * (other.y + (far * (own.y - other.y)) / between);
    sum.weight += weight;
  });
  return sum.weight === 0 ? own : { x: sum.x / sum.weight, y: sum.y / sum.weight };
}

/** @param {readonly string[]} names @param {readonly (readonly [string, string])[]} pairs @returns {number[][]} */
function allHops(names, pairs) {
  const index = new Map(names.map((name, i) => [name, i]));
  /** @type {number[][]} */
  const neighbours = names.map(() => []);
  for (const [a, b] of pairs) {
    const [i, j] = [index.get(a), index.get(b)];
    if (i === undefined || j === undefined) continue;
    neighbours[i]?.push(j);
    neighbours[j]?.push(i);
  }
  const rows = names.map((_, start) => hopsFrom(start, neighbours));
  const longest = Math.max(1, ...rows.flat().filter(Number.isFinite));
  return rows.map((row) => row.map((far) => (Number.isFinite(far) ? far : longest + apart)));
}

/** @param {number} start @param {number[][]} neighbours */
function hopsFrom(start, neighbours) {
  const row = neighbours.map(() => Number.POSITIVE_INFINITY);
  row[start] = 0;
  for (const queue = [start]; queue.length > 0; ) {
    const at = /** @type {number} */ (queue.shift());
    for (const next of neighbours[at] ?? []) {
      if (Number.isFinite(row[next])) continue;
      row[next] = (row[at] ?? 0) + 1;
      queue.push(next);
    }
  }
  return row;
}

/** @param {readonly string[]} names @param {Point[]} points @param {{ width: number, height: number, margin: number }} box */
function fitted(names, points, { width, height, margin }) {
  const [left, right] = [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))];
  const [top, bottom] = [Math.min(...points.map(({ y }) => y)), Math.max(...points.map(({ y }) => y))];
  /** @param {number} at @param {number} from @param {number} to @param {number} size */
  const scaled = (at, from, to, size) =>
    to - from < 1e-3 ? size / 2 : margin + ((at - from) / (to - from)) * (size - 2 * margin);
  return new Map(
    names.map((name, i) => {
      const { x, y } = /** @type {Point} */ (points[i]);
      return [name, { x: scaled(x, left, right, width), y: scaled(y, top, bottom, height) }];
    }),
  );
}
