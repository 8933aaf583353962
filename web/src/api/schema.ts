// Short names of the contract's messages.

import type { components } from "./types";

type Schemas = components["schemas"];
export type ArrayRef = Schemas["ArrayRef"];
export type CheckLine = Schemas["CheckLine"];
export type EpisodeDetail = Schemas["EpisodeDetail"];
export type EpisodeTable = Schemas["EpisodeTable"];
export type Estimate = Schemas["Estimate"];
export type Fork = Schemas["Fork"];
export type ForkAnswer = Schemas["ForkAnswer"];
export type ForkRequest = Schemas["ForkRequest"];
export type ForkSide = Schemas["ForkSide"];
export type Job = Schemas["Job"];
export type JobRequest = Schemas["JobRequest"];
export type Library = Schemas["Library"];
export type LiveAnswer = Schemas["LiveAnswer"];
export type LiveRequest = Schemas["LiveRequest"];
export type Moment = Schemas["Moment"];
export type Moments = Schemas["Moments"];
export type Note = Schemas["Note"];
export type NoteText = Schemas["NoteText"];
export type ObservationChange = Schemas["ObservationChange"];
export type OverlayInfo = Schemas["OverlayInfo"];
export type OverlayValues = Schemas["OverlayValues"];
export type Picture = Schemas["Picture"];
export type PictureView = Schemas["PictureView"];
export type RecordingDetail = Schemas["RecordingDetail"];
export type RecordingLine = Schemas["RecordingLine"];
export type ResultDetail = Schemas["ResultDetail"];
export type ResultLine = Schemas["ResultLine"];
export type SceneChange = Schemas["SceneChange"];
export type StepTable = Schemas["StepTable"];
export type Thumbnail = Schemas["Thumbnail"];
export type TrackInfo = Schemas["TrackInfo"];
export type TrackValues = Schemas["TrackValues"];
