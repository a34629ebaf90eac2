// Videos of one question, always on the same frame: a view is drawn only when all videos shown have reached that frame.
// Each video plays by itself; one that is more than half a frame off is nudged in rate, more than three frames: sought.
// A machine that is too slow to decode them together drops frames of each; then all play slower.
import { Zoom } from "./zoom.js";

const AMPLIFY = 2; // doublings of the difference: four times
const TINT = "rgb(255 64 129 / 0.22)";
const STARVED_MS = 400; // without a frame that all videos have reached: play slower
const SLOWEST = 0.125; // least factor of the speed
const CACHE_BYTES = 256e6; // decoded frames that are kept, so that steps need no seek
const OUTLINE = "rgb(255 64 129)";

const once = (target, good) =>
  new Promise((resolve, reject) => {
    target.addEventListener(good, resolve, { once: true });
    target.addEventListener("error", () => reject(new Error("a video cannot be played")), { once: true });
  });

export class Player {
  // place: element for the views. tell(player): called whenever a frame was drawn or playing began or ended.
  constructor(place, tell) {
    this.place = place;
    this.tell = tell;
    this.speed = 1;
    this.pace = 1; // factor of the speed that this machine can do
    this.mode = "side";
    this.masks = false;
    this.alternate = false;
    this.zoom = new Zoom(place, () => this.question && tell(this), (content) => this.mode === "wipe" && (this.wipe(content), true));
    this.clear();
  }

  clear() {
    for (const track of this.tracks?.values() ?? []) {
      track.video.pause();
      track.video.removeAttribute("src");
      track.video.load();
    }
    for (const bitmap of this.cache?.values() ?? []) bitmap.close();
    this.tracks = new Map();
    this.cache = new Map(); // "frame view" -> bitmap, oldest first
    this.cached = 0; // bytes
    this.outlines = new Map();
    this.frame = 0;
    this.seen = new Set();
    this.playing = false;
    this.divider = 0.5;
    this.zoom.reset();
    this.turn = (this.turn ?? 0) + 1; // whatever began before belongs to another question
  }

  async load(question, base) {
    this.clear();
    this.question = question;
    this.base = base;
    this.alternate = false;
    const turn = this.turn;
    await this.arrange();
    if (turn !== this.turn) return;
    await this.show(0);
    if (turn === this.turn) this.play();
  }

  // Names of the views: what was there first, what is judged last.
  names() {
    const extra = this.question.alternate;
    const shown = this.question.views.map((view) => view.name).filter((name) => name !== extra);
    return extra && this.alternate ? shown.map((name) => (name === "source" ? extra : name)) : shown;
  }

  // Make the canvases of the views that the mode shows, and load their videos.
  async arrange() {
    const names = this.names();
    const labels = Object.fromEntries(this.question.views.map((view) => [view.name, view.label]));
    const two = names.slice(-2);
    const figures = this.mode === "side" ? names.map((name) => [name]) : [two];
    this.place.dataset.count = figures.length;
    this.place.replaceChildren(
      ...figures.map((shown) => {
        const figure = document.createElement("figure");
        const frame = document.createElement("div");
        const canvas = document.createElement("canvas");
        const caption = document.createElement("figcaption");
        frame.className = "frame";
        frame.append(canvas);
        figure.dataset.view = shown.join(" ");
        caption.textContent = shown.map((name) => labels[name]).join(this.mode === "wipe" ? " | " : " − ");
        figure.append(frame, caption);
        return figure;
      }),
    );
    this.active = this.mode === "side" ? names : two;
    await Promise.all(this.active.map((name) => this.open(name)));
    this.resize();
  }

  async open(name) {
    if (this.tracks.has(name)) return this.tracks.get(name).ready;
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, preload: "auto" });
    const track = { video, buffer: document.createElement("canvas"), frame: -1 };
    this.tracks.set(name, track);
    video.src = `${this.base}video/${this.question.index}/${name}`;
    track.ready = once(video, "canplay").then(() => {
      Object.assign(track.buffer, { width: video.videoWidth, height: video.videoHeight });
    });
    const turn = this.turn;
    const watch = (_, meta) => {
      if (turn !== this.turn) return;
      if (this.playing) this.arrived(name, Math.round(meta.mediaTime * this.question.fps));
      video.requestVideoFrameCallback(watch);
    };
    video.requestVideoFrameCallback(watch);
    return track.ready;
  }

  copy(name, frame) {
    const track = this.tracks.get(name);
    track.buffer.getContext("2d").drawImage(track.video, 0, 0);
    track.frame = frame;
    this.remember(`${frame} ${name}`, track.buffer);
  }

  async remember(key, buffer) {
    if (this.cache.has(key)) return;
    const turn = this.turn;
    const bitmap = await createImageBitmap(buffer);
    if (turn !== this.turn || this.cache.has(key)) return bitmap.close();
    this.cache.set(key, bitmap);
    this.cached += bitmap.width * bitmap.height * 4;
    for (const [old, first] of this.cache) {
      if (this.cached <= CACHE_BYTES) break;
      this.cached -= first.width * first.height * 4;
      first.close();
      this.cache.delete(old);
    }
  }

  // Put a frame into the buffers without a seek; false where one was not kept.
  recall(frame) {
    const kept = this.active.map((name) => this.cache.get(`${frame} ${name}`));
    if (!kept.every(Boolean)) return false;
    this.active.forEach((name, index) => {
      const track = this.tracks.get(name);
      track.buffer.getContext("2d").drawImage(kept[index], 0, 0);
      track.frame = frame;
    });
    return true;
  }

  arrived(name, frame) {
    if (!this.active.includes(name)) return;
    this.copy(name, frame);
    if (this.active.every((each) => this.tracks.get(each).frame === frame)) this.present(frame);
  }

  present(frame) {
    this.frame = Math.min(this.question.n_frames - 1, Math.max(0, frame));
    this.seen.add(this.frame);
    this.shownAt = performance.now();
    this.draw();
    this.tell(this);
  }

  // Show one frame, standing still. Times lie in the middle of a frame, so that rounding cannot choose its neighbour.
  async show(frame) {
    this.pause();
    this.wanted = Math.min(this.question.n_frames - 1, Math.max(0, frame));
    if (this.seeking) return this.seeking;
    const turn = this.turn;
    this.seeking = (async () => {
      let reached = -1;
      while (turn === this.turn && reached !== this.wanted && !this.playing) {
        reached = this.wanted;
        if (!this.recall(reached)) {
          await this.seek(reached);
          if (turn !== this.turn || this.playing) break;
          for (const name of this.active) this.copy(name, reached);
        }
        this.present(reached);
      }
    })().finally(() => (this.seeking = null));
    return this.seeking;
  }

  // Keys come faster than seeks: a step counts from the frame that is on its way.
  step(frames) {
    return this.show((this.seeking ? this.wanted : this.frame) + frames);
  }

  async seek(frame) {
    const time = (frame + 0.5) / this.question.fps;
    await Promise.all(
      this.active.map(async (name) => {
        const { video, ready } = this.tracks.get(name);
        await ready;
        const done = once(video, "seeked");
        video.currentTime = time;
        await done;
      }),
    );
  }

  toggle() {
    return this.playing ? this.show(this.frame) : this.play();
  }

  async play() {
    const turn = this.turn;
    this.playing = true;
    this.tell(this);
    await this.seeking;
    await this.seek(this.frame >= this.question.n_frames - 1 ? 0 : this.frame);
    if (turn !== this.turn || !this.playing) return;
    await Promise.all(this.active.map((name) => this.start(this.tracks.get(name).video)));
    this.shownAt = performance.now();
    if (turn === this.turn && this.playing) requestAnimationFrame(() => this.tick(turn));
  }

  async start(video) {
    video.playbackRate = this.speed * this.pace;
    await video.play().catch(() => undefined);
  }

  pause() {
    this.playing = false;
    for (const { video } of this.tracks.values()) video.pause();
    if (this.question) this.tell(this);
  }

  tick(turn) {
    if (turn !== this.turn || !this.playing) return;
    const videos = this.active.map((name) => this.tracks.get(name).video);
    if (videos.some((video) => video.ended)) return this.again();
    if (performance.now() - this.shownAt > STARVED_MS / Math.min(1, this.speed * this.pace)) return this.slowDown();
    const lead = videos.at(-1);
    for (const video of videos.slice(0, -1)) this.align(video, lead);
    requestAnimationFrame(() => this.tick(turn));
  }

  again() {
    this.present(this.question.n_frames - 1);
    this.pace = Math.min(1, this.pace * 1.4);
    return this.play();
  }

  slowDown() {
    this.pace = Math.max(SLOWEST, this.pace / 2);
    for (const name of this.active) this.tracks.get(name).video.pause();
    return this.play();
  }

  align(video, lead) {
    const drift = (video.currentTime - lead.currentTime) * this.question.fps;
    if (Math.abs(drift) > 3) video.currentTime = lead.currentTime;
    const nudge = Math.abs(drift) > 0.5 ? Math.max(-0.25, Math.min(0.25, drift * 0.15)) : 0;
    const rate = this.speed * this.pace * (1 - nudge);
    if (Math.abs(video.playbackRate - rate) > 0.005) video.playbackRate = rate;
  }

  setSpeed(speed) {
    this.speed = speed;
    for (const { video } of this.tracks.values()) video.playbackRate = speed * this.pace;
  }

  // Change what is shown and stay on the frame.
  async change(changes) {
    Object.assign(this, changes);
    const [turn, playing] = [this.turn, this.playing];
    this.pause();
    await this.seeking;
    await this.arrange();
    if (turn !== this.turn) return;
    await this.show(this.frame);
    if (playing && turn === this.turn) this.play();
  }

  async toggleMasks() {
    this.masks = !this.masks;
    await this.loadMasks();
    this.draw();
    this.tell(this);
  }

  async loadMasks() {
    const { turn, question } = this;
    if (!this.masks) return;
    await Promise.all(
      question.masks.map(async (name) => {
        if (this.outlines.has(name)) return;
        const answer = await fetch(`${this.base}mask/${question.index}/${name}`);
        const outlines = answer.ok ? await answer.json() : [];
        if (turn === this.turn) this.outlines.set(name, outlines);
      }),
    );
  }

  resize() {
    for (const figure of this.place.children) {
      const { buffer } = this.tracks.get(figure.dataset.view.split(" ")[0]);
      const canvas = figure.querySelector("canvas");
      Object.assign(canvas, { width: buffer.width, height: buffer.height });
      this.place.style.setProperty("--shape", `${buffer.width} / ${buffer.height}`);
      this.place.style.setProperty("--ratio", buffer.width / buffer.height);
    }
    this.zoom.apply();
  }

  draw() {
    for (const figure of this.place.children) {
      const names = figure.dataset.view.split(" ");
      const canvas = figure.querySelector("canvas");
      const context = canvas.getContext("2d");
      const buffers = names.map((name) => this.tracks.get(name)?.buffer);
      if (buffers.some((buffer) => !buffer?.width)) continue;
      context.globalCompositeOperation = "source-over";
      context.drawImage(buffers[0], 0, 0);
      if (this.mode === "difference" && names.length === 2) this.drawDifference(context, canvas, buffers[1]);
      else if (names.length === 2) this.drawWipe(context, canvas, names, buffers[1]);
      else this.outline(context, names[0]);
    }
  }

  drawDifference(context, canvas, other) {
    context.globalCompositeOperation = "difference";
    context.drawImage(other, 0, 0);
    context.globalCompositeOperation = "lighter";
    for (let i = 0; i < AMPLIFY; i++) context.drawImage(canvas, 0, 0);
  }

  drawWipe(context, canvas, names, other) {
    const edge = Math.round(canvas.width * this.divider);
    this.outline(context, names[0]);
    context.save();
    context.beginPath();
    context.rect(edge, 0, canvas.width - edge, canvas.height);
    context.clip();
    context.drawImage(other, 0, 0);
    this.outline(context, names[1]);
    context.restore();
    const width = Math.max(1, canvas.width / 400);
    context.fillStyle = "#fff";
    context.fillRect(edge - width / 2, 0, width, canvas.height);
  }

  outline(context, name) {
    const polygons = this.masks ? this.outlines.get(name)?.[this.frame] : null;
    if (!polygons) return;
    const path = new Path2D();
    for (const points of polygons) {
      for (let i = 0; i < points.length; i += 2) path[i ? "lineTo" : "moveTo"](points[i] + 0.5, points[i + 1] + 0.5);
      path.closePath();
    }
    context.fillStyle = TINT;
    context.strokeStyle = OUTLINE;
    context.lineWidth = Math.max(1, context.canvas.height / 360);
    context.fill(path, "evenodd");
    context.stroke(path);
  }

  wipe(place) {
    this.divider = Math.min(1, Math.max(0, place));
    this.draw();
  }

  // Spans [first, end) of the frames that were shown.
  spans() {
    const spans = [];
    for (const frame of [...this.seen].sort((a, b) => a - b)) {
      if (spans.length && spans.at(-1)[1] === frame) spans.at(-1)[1]++;
      else spans.push([frame, frame + 1]);
    }
    return spans;
  }
}
