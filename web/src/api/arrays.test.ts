import { expect, test } from "vitest";
import { decode, load, row } from "./arrays";
import { Export } from "./source";

function bytes(write: (view: DataView) => void, size: number): ArrayBuffer {
  const buffer = new ArrayBuffer(size);
  write(new DataView(buffer));
  return buffer;
}

test("float16: signs, zeros, the smallest, the largest, not finite", () => {
  const bits = [0x3c00, 0xc000, 0x0000, 0x8000, 0x0001, 0x03ff, 0x7bff, 0x3555, 0x7c00, 0xfc00];
  const values = [1, -2, 0, -0, 2 ** -24, 1023 * 2 ** -24, 65504, 0.333251953125];
  const got = decode(
    "float16",
    bytes((view) => bits.forEach((b, i) => view.setUint16(2 * i, b, true)), 20),
  );
  expect([...got]).toEqual([...values, Infinity, -Infinity]);
  expect(decode("float16", new Uint16Array([0x7e00]).buffer)[0]).toBeNaN();
});

test("int64: beyond 32 bits, both signs", () => {
  const numbers = [0n, -1n, 2n ** 40n, -(2n ** 53n)];
  const got = decode(
    "int64",
    bytes((view) => numbers.forEach((n, i) => view.setBigInt64(8 * i, n, true)), 32),
  );
  expect([...got]).toEqual([0, -1, 2 ** 40, -(2 ** 53)]);
});

test.each([
  ["bool", [1, 0], [1, 0]],
  ["uint8", [255], [255]],
  ["int8", [255], [-1]],
  ["int16", [0xfe, 0xff], [-2]],
  ["int32", [1, 0, 0, 0x80], [-2147483647]],
  ["float32", [0, 0, 0x80, 0x3f], [1]],
  ["float64", [0, 0, 0, 0, 0, 0, 0xf0, 0xbf], [-1]],
] as const)("%s is little-endian", (dtype, given, values) => {
  expect([...decode(dtype, new Uint8Array(given).buffer)]).toEqual(values);
});

test("rows of an array are loaded by themselves", async () => {
  const data = new Float32Array([9, 9, 0, 1, 2, 3, 4, 5]);
  const text = String.fromCharCode(...new Uint8Array(data.buffer));
  const source = new Export({ json: {}, bytes: { "/a": btoa(text) } });
  const ref = {
    name: "q",
    url: "/a",
    dtype: "float32",
    shape: [3, 2],
    offset: 8,
    bytes: 24,
  } as const;
  const all = await load(source, { ...ref, shape: [...ref.shape] });
  expect(all.shape).toEqual([3, 2]);
  expect([...row(all, 2)]).toEqual([4, 5]);
  const some = await load(source, { ...ref, shape: [...ref.shape] }, 1, 99);
  expect(some.shape).toEqual([2, 2]);
  expect([...some.data]).toEqual([2, 3, 4, 5]);
});
