// Reading an episode of the page's data.

export function steps(episode) {
  return episode.reward.length;
}

// Entities of the scene at a step, each with its numbers of that step.
export function sceneAt(episode, step) {
  const present = [];
  for (const track of episode.entities) {
    const i = track.steps.indexOf(step);
    if (i < 0) continue;
    present.push({
      track,
      identity: track.identity,
      ego: track.identity === 0,
      x: track.x ? track.x[i] : null,
      y: track.y ? track.y[i] : null,
      heading: track.heading ? track.heading[i] : null,
      speed: track.speed ? track.speed[i] : null,
      seen: track.row[i] >= 0,
      attention: track.attention ? track.attention[i] : null,
    });
  }
  return present;
}

export function distance(a, b) {
  return a.x === null || b.x === null ? null : Math.hypot(a.x - b.x, a.y - b.y);
}

export function entityName(identity) {
  return identity === 0 ? "ego" : String(identity);
}

// Steps whose action differs from that of the step before.
export function actionChanges(episode) {
  const changes = [];
  for (let t = 1; t < episode.action.length; t += 1) {
    if (episode.action[t] !== episode.action[t - 1]) changes.push(t);
  }
  return changes;
}

// What the end of the episode is called, and its mark.
export function ending(episode) {
  const crashed = episode.outcome.includes("crash");
  const arrived = episode.outcome.includes("arriv");
  const mark = (arrived ? "\u25cf" : "") + (crashed ? "\u2715" : "") || "\u25fb";
  return { mark, text: episode.outcome.replaceAll("_", " ").replaceAll("+", " and ") };
}
