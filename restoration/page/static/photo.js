// The second tab: a photo, its faces, and what became of them.
const faces = {
  html: value =>
    value
      ? `<p class="found" role="status">${value.said}</p>
<figure class="numbered" style="aspect-ratio: ${value.width} / ${value.height};
 max-width: ${(260 * value.width) / value.height}px">
 <img src="${value.preview}" alt="Your photo with its faces numbered" width="${value.width}" height="${value.height}">
 ${value.faces
   .map(
     face => `<span class="box" style="left: ${face.left}%; top: ${face.top}%; width: ${face.width}%;
  height: ${face.height}%"><b>${face.number}</b></span>`,
   )
   .join('')}
</figure>
<ol class="thumbs" aria-label="Faces found">${value.faces
          .map(
            face => `<li><img src="${face.thumbnail}" width="72" height="72"
 alt="Face ${face.number}"><span>${face.number}</span></li>`,
          )
          .join('')}</ol>`
      : '',
};

const sample = {
  html: (value, label) => `<button type="button"><img src="${value}" alt="" width="72" height="72">${label}</button>`,
  start(element, props, trigger) {
    element.addEventListener('click', event => {
      if (event.target.closest('button')) trigger('click');
    });
  },
};

// A result belongs to the photo, and to the choice of faces and size, that were there when it was asked for. After another
// choice it is dimmed, after another photo it is gone; nothing of it can be downloaded until one that belongs has come.
const changed = { photo: 0, choice: 0 };
let wanted = { ...changed },
  made = wanted,
  waiting = false;
const STATES = { waiting: 'restoring', stale: 'outdated_photo' }; // and what is said then
const judge = () => {
  const state =
    made.photo !== changed.photo
      ? 'gone'
      : waiting
        ? 'waiting'
        : made.choice !== changed.choice
          ? 'stale'
          : 'current';
  document.querySelector('#photo-desk').dataset.result = state;
  document.querySelector('#photo-desk .outdated').textContent = STATES[state] ? say(STATES[state]) : '';
};
const another = what => {
  changed[what] += 1;
  judge();
};
const rest = () => {
  waiting = false;
  judge();
};
// Before Gradio hears of it: two presses are one.
const PRESSED = '#photo-desk :is(.press, .samples) button';
const press = event => {
  if (!event.target.closest?.(PRESSED)) return;
  if (waiting) event.stopImmediatePropagation();
  else {
    wanted = { ...changed };
    waiting = true;
    judge();
    page.showResult();
  }
};
addEventListener('click', press, true);

// Two pictures of one size over each other.
const compared = (before, after, { width, height }, kind, say) => `
<figure class="compare ${kind}" style="aspect-ratio: ${width} / ${height}; --shape: ${width / height}">
 <img class="base" src="${before.url}" alt="" width="${width}" height="${height}">
 <img class="after" src="${after.url}" alt="${say[1]}" width="${width}" height="${height}">
 <img class="before" src="${before.url}" alt="${say[0]}" width="${width}" height="${height}">
 <span class="tag left">${say[0]}</span><span class="tag right">Restored</span>
 <span class="divider"></span>
 <input type="range" min="0" max="100" step="1" aria-label="Divider: ${say[0]} on the left, restored on the right">
</figure>`;

// The same place of both pictures, enlarged: at first the largest face, then where a visitor points.
const LOUPE = { shape: 4 / 3, share: 0.55, least: 1.2, most: 12 }; // of a pane; its part that the largest face fills
const aim = (element, value, spot) => {
  const loupe = element.querySelector('.loupe'),
    lens = element.querySelector('.lens'),
    shape = (value.height / value.width) * LOUPE.shape;
  const size = Math.min(LOUPE.most, Math.max(LOUPE.least, 1.02 / shape, LOUPE.share / value.spot.share));
  const edge = (at, times) => Math.min(1 - 1 / times, Math.max(0, at - 1 / times / 2));
  const left = edge(spot.x, size),
    top = edge(spot.y, size * shape);
  const place = (style, values) => Object.entries(values).forEach(([name, part]) => style.setProperty(name, part * 100 + '%'));
  place(loupe.style, { '--size': size, '--x': left / (1 - 1 / size), '--y': top / (1 - 1 / (size * shape)) });
  place(lens.style, { left, top, width: 1 / size, height: 1 / (size * shape) });
  return { x: left + 1 / size / 2, y: top + 1 / (size * shape) / 2 };
};

const photo = {
  html: (value, label) =>
    (value
      ? `${compared(value.before, value.after, value, 'photo', ['Your photo', 'The restored photo']).replace(
          '</figure>',
          '<span class="lens"></span></figure>',
        )}
<section class="facts" aria-label="What was done">${value.facts}
 <div class="share"><button type="button" data-file="save">Download photo</button>
 <button type="button" data-file="pack">Download all (zip)</button></div></section>
<div class="loupe" tabindex="0" role="group" aria-label="Enlarged part of both. The arrow keys move it, as pointing at the photo does">
 ${['Your photo', 'Restored']
   .map(
     (name, after) => `<figure><div role="img" aria-label="${name}, enlarged"><i style="background-image: url(${value.before.url})"></i>
 ${after ? `<i class="after" style="background-image: url(${value.after.url})"></i>` : ''}</div><figcaption>${name}</figcaption></figure>`,
   )
   .join('')}
</div>
<ul class="pairs" aria-label="Faces before and after">${value.faces
          .map(
            (face, index) => `<li><button type="button" data-face="${index}" aria-label="Open face ${face.number} large">
 <img src="${face.before.url}" alt="Face ${face.number} before" width="512" height="512">
 <img src="${face.after.url}" alt="Face ${face.number} restored" width="512" height="512"></button>
 <span>Face ${face.number} <a href="${face.after.url}" download="face_${face.number}.png"
  aria-label="Download restored face ${face.number} as PNG">PNG</a></span></li>`,
          )
          .join('')}</ul>`
      : '') + `<p class="empty">${label}</p>`,
  start(element, props, trigger, watch) {
    const spoken = document.createElement('p'),
      outdated = document.createElement('p'),
      viewer = document.createElement('dialog'),
      divider = { now: 50 };
    let spot = null,
      open = 0;
    spoken.className = 'sr';
    outdated.className = 'outdated';
    viewer.className = 'viewer';
    for (const line of [spoken, outdated]) line.setAttribute('role', 'status');
    element.before(outdated);
    element.after(spoken, viewer);
    const draw = () => {
      if (!props.value) return;
      slide(element, divider);
      spot = aim(element, props.value, props.value.spot);
    };
    const show = index => {
      const all = props.value.faces,
        face = all[index];
      open = index;
      const step = (shift, name) => {
        const to = (index + shift + all.length) % all.length;
        return all.length > 1 ? `<button type="button" data-face="${to}">${name.replace('#', all[to].number)}</button>` : '';
      };
      viewer.setAttribute('aria-label', `Face ${face.number}, before and after`);
      viewer.innerHTML = `<header><h2>Face ${face.number}</h2>
<button type="button" data-close aria-label="Close">✕</button></header>
${compared(face.before, face.after, { width: 512, height: 512 }, '', ['Before', 'Restored'])}
<footer>${step(-1, '‹ Face #')}<a href="${face.after.url}" download="face_${face.number}.png">Download PNG</a>
${step(1, 'Face # ›')}</footer>`;
      if (!viewer.open) viewer.showModal();
      slide(viewer, { now: 50 });
      viewer.querySelector('.compare input').focus();
    };
    const choose = event => {
      const face = event.target.closest('[data-face]'),
        file = event.target.closest('[data-file]');
      if (file) trigger(file.dataset.file);
      if (face) show(+face.dataset.face);
      if (event.target.closest('[data-close]') || event.target === viewer) viewer.close();
    };
    for (const scope of [element, viewer]) scope.addEventListener('click', choose);
    viewer.addEventListener('close', () => element.querySelector(`[data-face="${open}"]`)?.focus());
    element.addEventListener('pointermove', event => {
      const box = event.target.closest('.compare')?.getBoundingClientRect();
      if (!box) return;
      const at = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
      spot = aim(element, props.value, at);
    });
    element.addEventListener('keydown', event => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!move || !event.target.closest('.loupe')) return;
      event.preventDefault();
      spot = aim(element, props.value, { x: spot.x + move[0] * 0.03, y: spot.y + move[1] * 0.03 });
    });
    watch('value', () => {
      made = wanted;
      viewer.close();
      draw();
      rest();
      // What came is higher than what was there: where the column stuck to the window, its top has left it.
      if (element.getBoundingClientRect().top < 0) page.showResult();
      spoken.textContent = element.querySelector('.verdict')?.textContent ?? '';
    });
    draw();
    judge();
  },
};

const strength = strength => {
  document.querySelector('#photo-result').style.setProperty('--strength', strength);
};

Object.assign(window.page, { faces, sample, photo, another, rest, strength });
