// Where entities stand in the picture that the agent saw, in units of the scene.

import type { PictureView, RecordingDetail } from "../api/schema";
import type { Entity } from "./episode";
import { egoOf } from "./steps";

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The part of the scene that the picture shows: centred on the ego, or fixed. */
export function partShown(view: PictureView, entities: Entity[]): Rect {
  const ego = egoOf(entities);
  const [x, y] = view.center ?? (ego ? [ego.x, ego.y] : [0, 0]);
  const half = view.visible / 2;
  return { x: x - half, y: y - half, width: view.visible, height: view.visible };
}

/** The box within which an entity is drawn. */
export function boxOfEntity(view: PictureView, entity: Entity): Rect {
  const rim = view.cells.includes(entity.kind) ? view.margin : 0;
  const [width, height] = [entity.length + 2 * rim, entity.width + 2 * rim];
  const tall = entity.identity === 0 ? height * view.tall : height;
  const bottom = entity.y + height / 2;
  return { x: entity.x - width / 2, y: bottom - tall, width, height: tall };
}

export function overlap(one: Rect, other: Rect): boolean {
  return (
    one.x < other.x + other.width &&
    other.x < one.x + one.width &&
    one.y < other.y + other.height &&
    other.y < one.y + one.height
  );
}

/** Which of a step's entities the observation shows: by its rows, or by what is in the picture. */
export function seenIn(
  recording: RecordingDetail,
  entities: Entity[],
): (entity: Entity) => boolean {
  const view = recording.picture;
  if (!view) return ({ row }) => row >= 0;
  const part = partShown(view, entities);
  return (entity) => overlap(boxOfEntity(view, entity), part);
}

/** Kinds of entities of a recording that are marked: the chosen ones, else all that are objects. */
export function isMarked(
  recording: RecordingDetail,
  chosen: string[] | null,
): (kind: string) => boolean {
  const { picture } = recording;
  if (!picture) return () => true;
  return (kind) => (chosen ? chosen.includes(kind) : !picture.background.includes(kind));
}

/** Whether an entity can be moved by hand. */
export function isObject(recording: RecordingDetail, { kind }: Entity): boolean {
  return !recording.picture?.background.includes(kind);
}
