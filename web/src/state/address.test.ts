import { describe, expect, test } from "vitest";
import { DEFAULT, read, write, type Page, type View } from "./address";

const ODD = [
  "a",
  "runs/rec 1",
  "q[FASTER]-q[SLOWER]",
  "site[memory.state][17]@t+5",
  "50% &?#=+,;:~",
  "~",
  "%41",
  "caf\u00e9 \ud83d\ude97 \u2212",
  "quote\"\\'",
  "..",
  "__proto__",
];

/** A random number generator with a seed, so that a failure can be seen again. */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed * 1664525 + 1013904223) % 4294967296;
    return seed / 4294967296;
  };
}

function randomView(seed: number): View {
  const random = seeded(seed);
  for (let i = 0; i < 5; i += 1) random();
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const int = (n: number) => Math.floor(random() * n);
  const maybe = <T>(value: () => T, other: T): T => (random() < 0.5 ? other : value());
  const texts = () => Array.from({ length: int(4) }, () => pick([...ODD, ""]));
  const pages: Page[] = ["library", "recording", "episode", "steps", "result"];
  return {
    page: pick(pages),
    recording: pick(ODD),
    episode: int(1000),
    result: pick(ODD),
    step: maybe(() => int(500), 0),
    fork: maybe(
      () => ({
        step: int(500),
        pairs: pick([1, 5, 20]),
        scene: [{ kind: pick(ODD), values: { x: random() }, identity: int(9) }],
        ...pick([
          { edits: [], during: null },
          { edits: [pick(ODD), ""], during: null },
          { edits: [pick(ODD)], during: 1 + int(50) },
        ]),
      }),
      null,
    ),
    beside: maybe(() => ({ recording: pick(ODD), episode: int(9), shift: int(9) - 4 }), null),
    tracks: maybe<string[] | null>(texts, null),
    overlays: maybe<string[] | null>(texts, null),
    layer: maybe<number | null>(() => int(8), null),
    identity: maybe<number | null>(() => int(20) - 1, null),
    site: maybe<string | null>(() => pick([...ODD, ""]), null),
    byrow: random() < 0.5,
    zoom: maybe(() => random() * 10 + 1e-7, 1),
    large: random() < 0.5,
    kinds: maybe<string[] | null>(texts, null),
    part: maybe<[number, number] | null>(() => [random() * 9, 9.5 + random() * 1e-9], null),
    explain: maybe<View["explain"]>(
      () => ({
        method: pick(["gradient", "a,b"]),
        site: pick(["2b.relu", "~"]),
        target: pick(ODD),
      }),
      null,
    ),
    tab: pick(["changes", "explain", "why", "notes", "moments"]),
    why: maybe<number | null>(() => int(15), null),
    field: random() < 0.5,
    live: random() < 0.5,
    pinned: random() < 0.5,
    scene: Array.from({ length: int(3) }, () => ({
      kind: pick(ODD),
      values: Object.fromEntries([...Array(int(3))].map(() => [pick(["x", "y", "a b"]), random()])),
      ...pick([{}, { identity: int(9) }, { identity: null }]),
    })),
    observation: Array.from({ length: int(3) }, () => ({
      index: Array.from({ length: int(3) }, () => int(9)),
      value: (random() - 0.5) * 10 ** (int(60) - 30),
    })),
    actions: Array.from({ length: int(4) }, () => int(15)),
    targets: texts(),
    sort: pick(["episode", "-return", ...ODD]),
    filter: pick(["", "return<3 steps>=10", ...ODD]),
    find: pick(["", "abs(q[A]-q[B]) >= 1.5 and outcome == a+b", ...ODD]),
    x: pick(["", ...ODD]),
    y: pick(["", ...ODD]),
    look: maybe<[number, number, number] | null>(() => [-random(), random() * 1e-9, 0.1], null),
  };
}

describe("address", () => {
  test("a thousand views come back exactly", () => {
    for (let seed = 1; seed <= 1000; seed += 1) {
      const view = randomView(seed);
      expect(read(write(view)), `seed ${seed}`).toStrictEqual(view);
    }
  });

  test("the browser takes the address as it is written", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const address = write(randomView(seed));
      expect(new URL(address, "http://x/").hash).toBe(address);
    }
  });

  test("defaults are left out", () => {
    expect(write(DEFAULT)).toBe("#/");
    expect(write({ ...DEFAULT, page: "recording", recording: "rec" })).toBe("#/recordings/rec");
    expect(write({ ...DEFAULT, page: "episode", recording: "a/b", episode: 12, step: 3 })).toBe(
      "#/recordings/a%2Fb/episodes/12?step=3",
    );
    expect(write({ ...DEFAULT, page: "result", result: "r" })).toBe("#/results/r");
  });

  test("no tracks is another view than the tracks by default", () => {
    expect(write({ ...DEFAULT, tracks: [] })).toBe("#/?tracks=");
    expect(read("#/?tracks=").tracks).toEqual([]);
    expect(read("#/").tracks).toBeNull();
  });

  test("a change of the scene is compact JSON", () => {
    const scene = [{ kind: "move", identity: 3, values: { x: 1.5 } }];
    const address = write({ ...DEFAULT, scene });
    expect(decodeURIComponent(address)).toBe('#/?scene=[["move",{"x":1.5},3]]');
  });

  test.each([
    "",
    "#",
    "#/",
    "#/nowhere/at/all",
    "#/recordings",
    "#/recordings/%E0%A4%A/episodes/1",
    "#?=&&==&step",
    "#/?__proto__=1&constructor=2&toString=3",
  ])("garbage is the library: %s", (hash) => {
    expect(read(hash)).toStrictEqual(DEFAULT);
  });

  test.each([
    ["step=-1"],
    ["step=1.5"],
    ["step=1e3"],
    ["step=99999999999999999999"],
    ["zoom=0"],
    ["zoom=NaN"],
    ["zoom=Infinity"],
    ["zoom="],
    ["layer=x"],
    ["identity=1.0"],
    ["beside=rec"],
    ["beside=rec,-1,0"],
    ["beside=rec,1,0,5"],
    ["live=yes"],
    ["byrow=0"],
    ["tab=live"],
    ["part=3"],
    ["part=5,3"],
    ["part=-1,3"],
    ["part=1,2,3"],
    ["look=0,0"],
    ["look=0,0,0"],
    ["look=0,x,1"],
    ["filter=%E0%A4%A"],
    ["tracks=a,%E0%A4%A"],
    ["observation=0.1"],
    ["observation=0.x:1"],
    ["observation=0:"],
    ["scene=%7B"],
    ["scene=[1]"],
    ["scene=[[3,%7B%7D]]"],
    ['scene=[["move",[1]]]'],
    ['scene=[["move",%7B"x":"y"%7D]]'],
    ['scene=[["move",%7B%7D,1.5]]'],
  ])("a field that cannot be read is as by default, the others stay: %s", (pair) => {
    expect(read(`#/recordings/r?${pair}&sort=-return`)).toStrictEqual({
      ...DEFAULT,
      page: "recording",
      recording: "r",
      sort: "-return",
    });
  });

  test("random letters never raise", () => {
    const random = seeded(7);
    const letters = "#/?=&%[]{}\"',:~+-.recordingsepisodesscene0123456789\ud83d";
    for (let i = 0; i < 3000; i += 1) {
      const text = [...Array(40)].map(() => letters[Math.floor(random() * letters.length)]);
      const view = read(`#/recordings/r/episodes/1?${text.join("")}`);
      expect(read(write(view))).toStrictEqual(view);
    }
  });

  test("half of a letter does not stop the page from writing its address", () => {
    expect(write({ ...DEFAULT, filter: "a\ud83d" })).toBe("#/?filter=a%EF%BF%BD");
  });
});
