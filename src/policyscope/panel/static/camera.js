// Which part of the world the scene shows, in metres.

const ROOM = 14;
const SMALLEST = 25;
const LARGEST = 90;

function egoPoints(data) {
  const points = [];
  for (const episode of data.episodes) {
    for (const track of episode.entities) {
      if (track.identity !== 0 || !track.x) continue;
      track.x.forEach((x, i) => points.push([x, track.y[i]]));
    }
  }
  return points;
}

// A square that holds every place the ego visits; where that is too large, one that follows it.
export function createCamera(data) {
  const points = egoPoints(data);
  const bounds = data.scene && data.scene.bounds;
  const centre = bounds
    ? [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2]
    : [0, 1].map((axis) => points.reduce((sum, p) => sum + p[axis], 0) / (points.length || 1));
  const reach = Math.max(
    SMALLEST,
    ...points.map(([x, y]) => Math.max(Math.abs(x - centre[0]), Math.abs(y - centre[1])) + ROOM),
  );
  const follows = reach > LARGEST;
  const half = follows ? LARGEST * 0.6 : reach;
  return {
    follows,
    view(ego, zoom) {
      const [x, y] = (follows || zoom > 1) && ego && ego.x !== null ? [ego.x, ego.y] : centre;
      const size = half / zoom;
      return { x: x - size, y: y - size, size: 2 * size };
    },
  };
}
