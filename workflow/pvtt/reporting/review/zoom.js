// Zoom of all views together: content c (0 to 1) is shown at focus + (c - focus) * scale.
const MOST = 16;
const clamp = (value) => Math.min(1, Math.max(0, value));

export class Zoom {
  // tell(): called when it changed. wipe(content): called with the place under the pointer; true when it took it.
  constructor(place, tell, wipe) {
    Object.assign(this, { place, tell, wipe, scale: 1, focus: [0.5, 0.5], grabbed: null });
    place.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    place.addEventListener("pointerdown", (event) => (this.grabbed = this.point(event)));
    place.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) place.addEventListener(name, () => (this.grabbed = null));
    place.addEventListener("dblclick", () => this.to(1));
  }

  reset() {
    this.scale = 1;
    this.focus = [0.5, 0.5];
  }

  apply() {
    const [x, y] = this.focus;
    for (const canvas of this.place.querySelectorAll("canvas")) {
      canvas.style.transformOrigin = `${x * 100}% ${y * 100}%`;
      canvas.style.transform = `scale(${this.scale})`;
      canvas.classList.toggle("pixels", this.scale >= 4);
    }
    this.place.classList.toggle("zoomed", this.scale > 1);
    this.tell();
  }

  content(point, axis) {
    return this.focus[axis] + (point[axis] - this.focus[axis]) / this.scale;
  }

  // Zoom so that what is under the point stays there.
  to(scale, point = [0.5, 0.5]) {
    const next = Math.min(MOST, Math.max(1, scale));
    if (next === 1) this.focus = [0.5, 0.5];
    else this.focus = this.focus.map((_, axis) => clamp((point[axis] - this.content(point, axis) * next) / (1 - next)));
    this.scale = next;
    this.apply();
  }

  point(event) {
    const frame = event.target.closest(".frame");
    if (!frame) return null;
    const box = frame.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  // The wheel scrolls the page unless a key is held (a pinch counts as one) or it is zoomed already.
  wheel(event) {
    const point = this.point(event);
    if (!point || !(event.ctrlKey || event.altKey || this.scale > 1)) return;
    event.preventDefault();
    this.to(this.scale * Math.exp(-event.deltaY / 400), point);
  }

  move(event) {
    const point = this.point(event);
    if (!point) return;
    if ((!this.grabbed || this.scale === 1) && this.wipe(this.content(point, 0))) return;
    if (!this.grabbed || this.scale === 1) return;
    this.focus = this.focus.map((focus, axis) => clamp(focus - (point[axis] - this.grabbed[axis]) / (this.scale - 1)));
    this.grabbed = point;
    this.apply();
  }
}
