// The address of what is shown: #episode=3&step=5&head=1.

export function readHash() {
  const values = new URLSearchParams(window.location.hash.slice(1));
  const number = (name) => {
    const text = values.get(name);
    return text !== null && /^\d+$/.test(text) ? Number(text) : null;
  };
  return { episode: number("episode"), step: number("step"), head: number("head") };
}

export function writeHash({ episode, step, head }) {
  const parts = [`episode=${episode}`, `step=${step}`];
  if (head !== null) parts.push(`head=${head}`);
  const hash = `#${parts.join("&")}`;
  if (hash !== window.location.hash) window.history.replaceState(null, "", hash);
}
