// The state of the page: one object, changed in one place, heard by every view.

export function createStore(initial) {
  let state = { ...initial };
  const listeners = [];
  return {
    get: () => state,
    subscribe: (listener) => listeners.push(listener),
    set(patch) {
      const before = state;
      const changed = new Set(Object.keys(patch).filter((key) => patch[key] !== before[key]));
      if (!changed.size) return;
      state = { ...before, ...patch };
      for (const listener of listeners) listener(state, changed);
    },
  };
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
