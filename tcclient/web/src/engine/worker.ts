/** The entry of the worker: takes commands of the page to the attendance, and its reports back. */

import { Attendance } from "./attendance.js";
import type { Command, PictureSource } from "./commands.js";

const attendance = new Attendance((report, transfer = []) => {
  self.postMessage(report, { transfer });
});

/** Read a stream of pictures until the camera or the screen ends. */
async function read(source: PictureSource, frames: ReadableStream<VideoFrame>): Promise<void> {
  const reader = frames.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    attendance.stay.picture(source, value);
  }
}

function carryOut(command: Command): void {
  switch (command.type) {
    case "prepare":
      return attendance.prepare();
    case "join":
      return void attendance.join(command.entry);
    case "leave":
      return attendance.leave();
    case "sound":
      return attendance.stay.sound(command.media, command.port);
    case "playout":
      return attendance.stay.playout(command.port);
    case "publish":
      return attendance.stay.publish(command.media, command.on, command.size);
    case "pictures":
      return void read(command.media, command.frames);
    case "picture":
      return attendance.stay.picture(command.media, command.frame);
    case "wantPictures":
      return attendance.stay.want(command.pictures);
    case "dataSaver":
      return attendance.stay.setDataSaver(command.on);
    case "receivedHeight":
      return attendance.stay.setReceivedHeight(command.lines);
    case "volume":
      return attendance.stay.setVolume(command.participant, command.volume);
    case "drawn":
      return attendance.stay.drawn(command.participant, command.source);
    case "awake":
      return attendance.awake();
    case "request":
      return attendance.stay.request(command.number, command.request);
  }
}

self.onmessage = (event: MessageEvent<Command>) => {
  carryOut(event.data);
};
