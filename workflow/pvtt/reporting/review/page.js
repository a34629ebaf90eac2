// The page: fetches a question, shows it, sends the answer. It knows no score and no verdict of the machine.
import { Form } from "./form.js";
import { Player } from "./player.js";

const base = new URL(".", location.href).pathname;
const $ = (id) => document.getElementById(id);
const MODES = ["side", "wipe", "difference"];
const SPEEDS = [0.25, 0.5, 1, 2];

const player = new Player($("views"), showPlayer);
const form = new Form($("rows"));
let question = null;
let canUndo = false;
let busy = false;
const clock = { sum: 0, since: null };

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

// ---- time with the question on a visible page

function tickClock(running) {
  if (clock.since !== null) clock.sum += (performance.now() - clock.since) / 1000;
  clock.since = running && !document.hidden ? performance.now() : null;
}
document.addEventListener("visibilitychange", () => tickClock(question !== null));

// ---- talking to the server

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await fetch(`${base}api/${path}`, options);
  if (!answer.ok) throw Object.assign(new Error(await answer.text()), { status: answer.status });
  return answer.json();
}

async function go(path, body) {
  if (busy) return;
  busy = true;
  try {
    const state = await ask(path, body);
    say("");
    show(state);
  } catch (error) {
    const gone = error instanceof TypeError ? "The server does not answer. Is pvtt review still running?" : error.message;
    say(gone);
    if (error.status === 409 && path === "answer") show(await ask("state"));
  } finally {
    busy = false;
  }
}

function send(status) {
  if (!question || busy) return;
  if (status === "judged" && !form.complete()) return;
  tickClock(true);
  go("answer", { index: question.index, digest: question.digest, status, seconds: clock.sum, seen: player.spans(), values: status === "judged" ? form.values : {} });
}

// ---- showing a question

function show(state) {
  question = state.question;
  canUndo = state.can_undo;
  const pace = state.pairs_per_minute === null ? "" : ` · ${state.pairs_per_minute} pairs a minute`;
  $("progress").textContent = `${state.done} of ${state.total}${pace} · ${state.rater}`;
  $("bar").max = state.total;
  $("bar").value = state.done;
  $("work").hidden = question === null;
  $("end").hidden = question !== null;
  for (const button of document.querySelectorAll("[data-act=undo]")) button.disabled = !canUndo;
  if (!question) {
    $("title").textContent = "Review";
    player.clear();
    player.question = null;
    return;
  }
  $("title").textContent = question.task === "background" ? `Background of ${question.title}` : question.title;
  $("slider").max = question.n_frames - 1;
  document.querySelector("[data-act=mask]").disabled = !question.masks.length;
  showPhotos();
  form.show(question.rows, question.values);
  document.querySelector(".keys").textContent = question.rows.some((row) => row.type === "choice")
    ? "1 to 4 grade the marked row; l, r, t: which is better; ? all keys"
    : "1 to 5 grade the marked row; k keep, r reject and 1 to 9 why; ? all keys";
  Object.assign(clock, { sum: 0, since: null });
  tickClock(true);
  document.querySelector("[data-act=background]").hidden = !question.alternate;
  load(question);
}

// Keys already work while the videos come.
async function load(shown) {
  try {
    await player.load(shown, base);
    await player.loadMasks();
    player.draw();
  } catch (error) {
    if (shown === question) say(`${error.message}; skip it (n)`);
  }
  if (shown === question) document.body.dataset.ready = shown.index;
}

function showPhotos() {
  $("photos").hidden = !question.photos;
  $("photos").replaceChildren(
    ...Array.from({ length: question.photos }, (_, number) => {
      const figure = document.createElement("figure");
      const image = document.createElement("img");
      const caption = document.createElement("figcaption");
      image.src = `${base}photo/${question.index}/${number}`;
      image.alt = number ? `Photo ${number + 1} of the new product` : "Photo of the new product that was inserted";
      caption.textContent = number ? `Photo ${number + 1}` : "New product, inserted photo";
      figure.append(image, caption);
      return figure;
    }),
  );
}

function showPlayer(shown) {
  $("slider").value = shown.frame;
  const slowed = shown.playing && shown.pace < 1 ? " · slowed" : "";
  $("frame").textContent = `${shown.frame + 1} / ${shown.question.n_frames}${slowed}`;
  $("zoom").textContent = `${Math.round(shown.zoom.scale * 10) / 10}×`;
  document.body.classList.toggle("playing", shown.playing);
  document.querySelector("[data-act=play]").setAttribute("aria-label", shown.playing ? "Pause" : "Play");
  document.querySelector("[data-act=mask]").setAttribute("aria-pressed", String(shown.masks));
  document.querySelector("[data-act=background]").setAttribute("aria-pressed", String(shown.alternate));
  for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === shown.mode));
}

// ---- what can be done

function setSpeed(step) {
  const place = SPEEDS.indexOf(Number($("speed").value));
  $("speed").value = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, place + step))];
  player.setSpeed(Number($("speed").value));
}

const change = (changes) => player.change(changes).catch((error) => say(error.message));
const setMode = (mode) => change({ mode });
const actions = {
  play: () => player.toggle(),
  back: () => player.step(-1),
  forward: () => player.step(1),
  mask: () => player.toggleMasks(),
  background: () => question.alternate && change({ alternate: !player.alternate }),
  in: () => player.zoom.to(player.zoom.scale * 1.5),
  out: () => player.zoom.to(player.zoom.scale / 1.5),
  whole: () => player.zoom.to(1),
  skip: () => send("skipped"),
  undo: () => canUndo && go("undo", {}),
  help: () => ($("help").open ? $("help").close() : $("help").showModal()),
};
const keys = {
  " ": actions.play,
  ArrowLeft: (event) => player.step(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => player.step(event.shiftKey ? 10 : 1),
  Home: () => player.show(0),
  End: () => player.show(question.n_frames - 1),
  "[": () => setSpeed(-1),
  "]": () => setSpeed(1),
  "<": () => setSpeed(-1), // keyboards on which brackets need AltGr
  ">": () => setSpeed(1),
  s: () => setMode("side"),
  w: () => setMode("wipe"),
  d: () => setMode("difference"),
  v: () => setMode(MODES[(MODES.indexOf(player.mode) + 1) % MODES.length]),
  ",": () => player.wipe(player.divider - 0.05),
  ".": () => player.wipe(player.divider + 0.05),
  m: actions.mask,
  b: actions.background,
  "+": actions.in,
  "=": actions.in,
  "-": actions.out,
  0: actions.whole,
  n: actions.skip,
  Enter: () => send("judged"),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select")) return;
  if (event.key === "?") return event.preventDefault(), actions.help();
  if ($("help").open) return;
  if (event.key === "u") return event.preventDefault(), actions.undo();
  // A button that was reached by Tab keeps its own keys.
  const onButton = event.target.closest("button, a") && event.target.matches(":focus-visible");
  if (onButton && (event.key === " " || event.key === "Enter")) return;
  if (!question || busy) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (form.key(name)) return event.preventDefault();
  if (keys[name]) {
    event.preventDefault();
    if (!event.repeat || name.startsWith("Arrow") || "+-=,.".includes(name)) keys[name](event);
  }
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.act) actions[button.dataset.act]?.();
  if (button.dataset.mode) setMode(button.dataset.mode);
  if (event.detail) button.blur(); // so that Space goes on playing after a click
});
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  send("judged");
});
$("slider").addEventListener("input", () => player.show(Number($("slider").value)));
$("slider").addEventListener("change", () => $("slider").blur());
$("speed").addEventListener("change", () => {
  player.setSpeed(Number($("speed").value));
  $("speed").blur();
});

go("state");
