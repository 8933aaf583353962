import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { addKeys, hearKeys, keysByView } from "./keys";

let stops: (() => void)[] = [];
beforeEach(() => {
  stops = [hearKeys()];
});
afterEach(() => {
  stops.forEach((stop) => stop());
  document.body.replaceChildren();
});

function press(key: string, on: Element = document.body, more: KeyboardEventInit = {}) {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  on.dispatchEvent(event);
  return event;
}
function make(html: { tag: string; type?: string }): HTMLElement {
  const element = document.createElement(html.tag);
  if (html.type) element.setAttribute("type", html.type);
  document.body.append(element);
  return element;
}

test("a key does what the last view asked for, until that view is gone", () => {
  const [page, view] = [vi.fn(), vi.fn()];
  stops.push(addKeys({ Escape: page }));
  const leave = addKeys({ Escape: { help: "close", run: view } });
  expect(press("Escape").defaultPrevented).toBe(true);
  leave();
  press("Escape");
  expect(view).toHaveBeenCalledTimes(1);
  expect(page).toHaveBeenCalledTimes(1);
});

test("who gives false passes the key on", () => {
  const page = vi.fn();
  stops.push(addKeys({ a: page }), addKeys({ a: () => false }));
  press("a");
  expect(page).toHaveBeenCalledTimes(1);
  expect(press("b").defaultPrevented).toBe(false);
  expect(press("toString").defaultPrevented).toBe(false);
});

test.each([
  [{ tag: "input", type: "text" }, "a", false],
  [{ tag: "input" }, " ", false],
  [{ tag: "textarea" }, "?", false],
  [{ tag: "select" }, "ArrowDown", false],
  [{ tag: "input", type: "range" }, "ArrowLeft", false],
  [{ tag: "input", type: "range" }, " ", true],
  [{ tag: "input", type: "checkbox" }, " ", false],
  [{ tag: "input", type: "checkbox" }, "ArrowDown", true],
  [{ tag: "button" }, " ", false],
  [{ tag: "button" }, "Enter", false],
  [{ tag: "button" }, "ArrowLeft", true],
  [{ tag: "div" }, "?", true],
])("in %o the key %j is heard: %s", (html, key, heard) => {
  const run = vi.fn();
  stops.push(addKeys({ [key]: run }));
  press(key, make(html));
  expect(run.mock.calls.length > 0).toBe(heard);
});

test.each(["ctrlKey", "metaKey", "altKey"])("not together with %s", (modifier) => {
  const run = vi.fn();
  stops.push(addKeys({ a: run }));
  press("a", document.body, { [modifier]: true });
  expect(run).not.toHaveBeenCalled();
});

test("not while a dialog is open, and not what somebody else took", () => {
  const run = vi.fn();
  stops.push(addKeys({ a: run }));
  const dialog = make({ tag: "dialog" });
  dialog.setAttribute("open", "");
  press("a");
  dialog.remove();
  const row = make({ tag: "div" });
  row.addEventListener("keydown", (event) => event.preventDefault());
  press("a", row);
  expect(run).not.toHaveBeenCalled();
  press("a");
  expect(run).toHaveBeenCalledTimes(1);
});

test("the list of keys: by view, those of one text together, those without left out", () => {
  const run = () => {};
  stops.push(
    addKeys(
      {
        ArrowLeft: { help: "one step", run },
        ArrowRight: { help: "one step", run },
        " ": { help: "play", run },
        z: run,
      },
      "Episode",
    ),
  );
  expect(keysByView().get("Episode")).toEqual([
    { keys: ["\u2190", "\u2192"], help: "one step" },
    { keys: ["space"], help: "play" },
  ]);
});
