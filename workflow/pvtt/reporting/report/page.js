"use strict";

// Players of one pair: every view shows the same frame. The first view leads; the others are nudged in rate when they
// are more than half a frame off, and sought when they are more than three frames off.
class Player {
  constructor(card) {
    this.card = card;
    this.fps = Number(card.dataset.fps);
    this.frames = Number(card.dataset.frames);
    this.videos = [...card.querySelectorAll("video")];
    this.controls = card.querySelector(".controls");
    this.range = this.controls.querySelector("input");
    this.label = this.controls.querySelector("output");
    this.speed = 1;
    this.playing = false;
    this.loaded = null;
    this.worstDrift = 0;
    if (!this.videos.length) return;
    this.controls.hidden = false;
    for (const video of this.videos) {
      video.removeAttribute("controls");
      video.addEventListener("click", () => this.toggle());
      video.addEventListener("loadedmetadata", () => this.shape(video.videoWidth, video.videoHeight), { once: true });
    }
    const poster = new Image();
    poster.onload = () => this.shape(poster.naturalWidth, poster.naturalHeight);
    poster.loading = "lazy";
    poster.src = this.videos[0].poster;
    this.controls.addEventListener("click", (event) => this.act(event.target.closest("button")?.dataset.act));
    this.range.addEventListener("input", () => this.show(Number(this.range.value)));
    this.controls.querySelector("[data-speed]").addEventListener("change", (event) => {
      this.speed = Number(event.target.value);
      for (const video of this.videos) video.playbackRate = this.speed;
    });
    card.addEventListener("keydown", (event) => this.key(event));
  }

  shape(width, height) {
    this.card.style.setProperty("--shape", `${width} / ${height}`);
  }

  act(name) {
    if (name === "play") this.toggle();
    if (name === "back") this.show(this.frame() - 1);
    if (name === "forward") this.show(this.frame() + 1);
    if (name === "large") {
      const large = this.card.classList.toggle("large");
      this.controls.querySelector("[data-act=large]").setAttribute("aria-pressed", String(large));
    }
  }

  key(event) {
    if (event.target !== this.card) return;
    const actions = { " ": "play", ArrowLeft: "back", ArrowRight: "forward" };
    if (!(event.key in actions)) return;
    event.preventDefault();
    this.act(actions[event.key]);
  }

  load() {
    this.loaded ??= Promise.all(
      this.videos.map(
        (video) =>
          new Promise((resolve) => {
            if (video.readyState >= 3) return resolve();
            video.addEventListener("canplay", resolve, { once: true });
            video.addEventListener("error", resolve, { once: true });
            video.preload = "auto";
            video.load();
          }),
      ),
    );
    return this.loaded;
  }

  frame() {
    return Number(this.range.value);
  }

  // Show one frame, standing still. Times are taken in the middle of a frame, so that rounding cannot choose its neighbour.
  async show(frame) {
    this.pause();
    this.mark(Math.min(this.frames - 1, Math.max(0, frame)));
    await this.load();
    await Promise.all(this.videos.map((video) => Player.seek(video, (this.frame() + 0.5) / this.fps)));
  }

  static seek(video, time) {
    return new Promise((resolve) => {
      video.addEventListener("seeked", resolve, { once: true });
      video.currentTime = time;
      if (!video.seeking) resolve();
    });
  }

  mark(frame) {
    this.range.value = frame;
    this.label.textContent = `${frame + 1} / ${this.frames}`;
  }

  toggle() {
    return this.playing ? this.pause() : this.play();
  }

  async play() {
    for (const other of Player.all) if (other !== this) other.pause();
    this.playing = true;
    this.card.classList.add("playing", "waiting");
    this.controls.querySelector("[data-act=play]").setAttribute("aria-label", "Pause");
    const first = !this.started || this.frame() >= this.frames - 1 ? 0 : this.frame();
    this.started = true;
    await this.load();
    this.card.classList.remove("waiting");
    await this.start(first);
    if (this.playing) requestAnimationFrame(() => this.tick());
  }

  async start(frame) {
    await Promise.all(this.videos.map((video) => Player.seek(video, (frame + 0.5) / this.fps)));
    if (!this.playing) return;
    for (const video of this.videos) video.playbackRate = this.speed;
    await Promise.all(this.videos.map((video) => video.play().catch(() => undefined)));
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.card.classList.remove("playing", "waiting");
    this.controls.querySelector("[data-act=play]").setAttribute("aria-label", "Play");
    for (const video of this.videos) video.pause();
    const time = (this.frame() + 0.5) / this.fps;
    for (const video of this.videos) if (video.readyState >= 1) video.currentTime = time;
  }

  async tick() {
    if (!this.playing) return;
    const [lead, ...others] = this.videos;
    this.mark(Math.min(this.frames - 1, Math.floor(lead.currentTime * this.fps + 0.01)));
    if (lead.ended || this.videos.some((video) => video.ended)) {
      await this.start(0);
    } else {
      this.worstDrift = Math.max(...others.map((video) => this.align(video, lead)), 0);
    }
    requestAnimationFrame(() => this.tick());
  }

  align(video, lead) {
    const drift = (video.currentTime - lead.currentTime) * this.fps;
    if (Math.abs(drift) > 3) {
      video.currentTime = lead.currentTime;
    } else {
      const nudge = Math.abs(drift) > 0.5 ? Math.max(-0.25, Math.min(0.25, drift * 0.15)) : 0;
      const rate = this.speed * (1 - nudge);
      if (Math.abs(video.playbackRate - rate) > 0.005) video.playbackRate = rate;
    }
    return Math.abs(drift);
  }
}

// Filters, search and order of one list of cards.
class List {
  constructor(form) {
    this.form = form;
    this.list = document.getElementById(form.dataset.list);
    this.cards = [...this.list.children];
    form.addEventListener("input", () => this.update());
    this.update();
  }

  update() {
    const words = this.form.querySelector("[data-search]").value.toLowerCase().split(/\s+/).filter(Boolean);
    const filters = [...this.form.querySelectorAll("[data-filter]")].filter((select) => select.value);
    let shown = 0;
    for (const card of this.cards) {
      const text = card.dataset.text.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && filters.every((f) => card.dataset[f.dataset.filter] === f.value);
      card.hidden = !fits;
      shown += fits;
    }
    this.form.querySelector("output").textContent = `${shown} of ${this.cards.length} shown`;
    this.sort();
  }

  sort() {
    const select = this.form.querySelector("[data-sort]");
    if (!select || select.value === this.sorted) return;
    this.sorted = select.value;
    const [key, sign] = select.value.split(":");
    const value = (card) => (key === "id" ? card.dataset.id : card.dataset[key] === "" ? null : Number(card.dataset[key]));
    const order = (a, b) => {
      const [first, second] = [value(a), value(b)];
      if (first === null || second === null) return (first === null) - (second === null);
      return Number(sign) * (first < second ? -1 : first > second ? 1 : 0);
    };
    this.list.append(...[...this.cards].sort(order));
  }
}

Player.all = [...document.querySelectorAll(".pair")].map((card) => new Player(card));
for (const form of document.querySelectorAll(".tools")) new List(form);
const outOfSight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) Player.all.find((player) => player.card === entry.target)?.pause();
  }
});
for (const player of Player.all) outOfSight.observe(player.card);
