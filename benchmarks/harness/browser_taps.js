// What a benchmark notes in a page: what its sound thread captures and plays, when it is in the meeting, what it draws.
(() => {
  const recorder = `
    const SIZE = 37 * 128;
    registerProcessor("tap", class extends AudioWorkletProcessor {
      pcm = new Float32Array(SIZE);
      filled = 0;
      process([[channel]]) {
        if (channel === undefined || (this.filled > 0 && this.frame + this.filled !== currentFrame)) this.filled = 0;
        if (channel === undefined) return true;
        if (this.filled === 0) {
          this.at = Date.now();
          this.frame = currentFrame;
        }
        this.pcm.set(channel, this.filled);
        this.filled += channel.length;
        if (this.filled === SIZE) {
          this.port.postMessage({ at: this.at, frame: this.frame, pcm: this.pcm.slice() });
          this.filled = 0;
        }
        return true;
      }
    });`;
  const address = URL.createObjectURL(new Blob([recorder], { type: "text/javascript" }));
  const loaded = new WeakMap();
  const sounds = { captured: [], played: [] };
  const connect = AudioNode.prototype.connect;

  async function tap(node, what) {
    const { context } = node;
    if (!loaded.has(context)) loaded.set(context, context.audioWorklet.addModule(address));
    await loaded.get(context);
    const recording = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0, channelCount: 1 });
    // A microphone that is opened anew takes the place of the one before.
    const pieces = (sounds[what] = []);
    recording.port.onmessage = ({ data }) => pieces.push(data);
    connect.call(node, recording);
  }

  AudioNode.prototype.connect = function (target, ...more) {
    if (target instanceof AudioDestinationNode) void tap(this, "played");
    else if (this instanceof MediaStreamAudioSourceNode && target instanceof AudioWorkletNode) void tap(this, "captured");
    return connect.call(this, target, ...more);
  };

  let drawn = 0;
  const { drawImage } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.drawImage = function (picture, ...more) {
    if (picture instanceof VideoFrame) drawn += 1;
    return drawImage.call(this, picture, ...more);
  };

  // Of a <video>: what came there, less what was replaced before the compositor had it.
  const counted = new WeakMap();
  function countShown() {
    for (const video of document.querySelectorAll("video.picture")) {
      const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
      drawn += totalVideoFrames - droppedVideoFrames - (counted.get(video) ?? 0);
      counted.set(video, totalVideoFrames - droppedVideoFrames);
    }
  }

  let pressed;
  let joined;
  const named = (name) => [...document.querySelectorAll("button")].find((button) =>
    [button.getAttribute("aria-label"), button.textContent?.trim()].includes(name));
  addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("button") === named("Join")) pressed = performance.now();
  }, true);
  addEventListener("DOMContentLoaded", () => {
    new MutationObserver(() => {
      if (pressed !== undefined && joined === undefined && named("Leave")) joined = performance.now();
    }).observe(document.body, { childList: true, subtree: true });
  });

  function base64(pcm) {
    const bytes = new Uint8Array(pcm.buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  }

  const squares = (pcm) => pcm.reduce((sum, sample) => sum + sample * sample, 0);

  window.taps = {
    joinedIn: () => joined - pressed,
    takeLoudness: (what) => sounds[what].splice(0).map(({ pcm }) => squares(pcm) / pcm.length),
    take: (what) => sounds[what].splice(0).map(({ at, frame, pcm }) => ({ at, frame, pcm: base64(pcm) })),
    takeDrawn: () => {
      countShown();
      const before = drawn;
      drawn = 0;
      return before;
    },
  };
})();
