// The second tab: a photo, its faces, and what became of them.
const named = face => (face.number ? `Face ${face.number}` : 'The centred square');

const faces = {
  html: value =>
    value
      ? `<p class="found" role="status">${value.said}</p>
<figure class="numbered" style="aspect-ratio: ${value.width} / ${value.height};
 max-width: ${(260 * value.width) / value.height}px">
 <img src="${value.preview}" alt="Your photo with its faces numbered" width="${value.width}" height="${value.height}">
 ${each(
   value.faces,
   face => `<span class="box" style="left: ${face.left}%; top: ${face.top}%; width: ${face.width}%;
  height: ${face.height}%">${face.number ? `<b>${face.number}</b>` : ''}</span>`,
 )}
</figure>
<ol class="thumbs" aria-label="Faces found">${each(
          value.faces,
          face => `<li><img src="${face.thumbnail}" width="72" height="72" alt="${named(face)}">${
            face.number ? `<span>${face.number}</span>` : ''
          }</li>`,
        )}</ol>`
      : '',
};

// Nothing of the photo before can be chosen once there is another, or none.
const another = () => {
  edited('photo-result', [tie('photo-result').set[0] + 1, 0]);
  return [null, { __type__: 'update', value: [], visible: false }, ''];
};
// While a photo is uploaded there is none, but Gradio holds back its events until it has come.
const watchPhoto = (desk, emptied) => {
  let there = desk.querySelector('#photo img[alt]');
  new MutationObserver(() => {
    const before = there;
    there = desk.querySelector('#photo img[alt]');
    if (before && !there) emptied();
  }).observe(desk, { childList: true, subtree: true });
};

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
      ? `<div class="photo-lab">${compared(
          { label: 'Your photo', url: value.before.url },
          { label: 'Restored', url: value.after.url },
          {
            ...value,
            kind: 'photo',
            under: `<img class="base" src="${value.before.url}" alt="" width="${value.width}" height="${value.height}">`,
            over: '<span class="lens"></span>',
          },
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
            (face, index) => `<li><button type="button" data-open="${index}" aria-label="Open ${named(face).toLowerCase()} large">
 <img src="${face.before.url}" alt="${named(face)} before" width="512" height="512">
 <img src="${face.after.url}" alt="${named(face)} restored" width="512" height="512"></button>
 <span>${named(face)} <a href="${face.after.url}" download="${face.after.orig_name}"
  aria-label="Download restored ${named(face).toLowerCase()} as PNG">PNG</a></span></li>`,
          )
          .join('')}</ul></div>`
      : '') + `<p class="empty">${label}</p>`,
  start(element, props, trigger, watch) {
    const divider = { now: 50 };
    let spot = null;
    const viewer = viewing(element, index => {
      const all = props.value.faces,
        face = all[index];
      const steps = (all.length > 1 ? [all.length - 1, 1] : []).map(shift => (+index + shift) % all.length);
      return {
        title: `${named(face)}, before and after`,
        before: { label: 'Before', url: face.before.url },
        after: { label: 'Restored', url: face.after.url },
        file: face.after.orig_name,
        steps: steps.map(to => [to, named(all[to])]),
      };
    });
    const draw = () => {
      if (!props.value) return;
      slide(element, divider);
      spot = aim(element, props.value, props.value.spot);
    };
    element.addEventListener('click', event => {
      const button = event.target.closest('[data-file]');
      if (!button) return;
      making(button);
      trigger(button.dataset.file);
    });
    element.addEventListener('pointermove', event => {
      const box = event.target.closest('.compare')?.getBoundingClientRect();
      if (!box) return;
      const at = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
      spot = aim(element, props.value, at);
    });
    element.addEventListener('keydown', event => {
      const move = ARROWS[event.key];
      if (!move || !event.target.closest('.loupe')) return;
      event.preventDefault();
      spot = aim(element, props.value, { x: spot.x + move[0] * 0.03, y: spot.y + move[1] * 0.03 });
    });
    watch('value', () => {
      viewer.close();
      fresh(element);
      draw();
      came('photo-result');
      // What came is higher than what was there: where the column stuck to the window, its top has left it.
      if (element.getBoundingClientRect().top < 0) showResult();
    });
    opens('photo-result', element);
    watchPhoto(element.closest('#photo-desk'), () => trigger('emptied'));
    draw();
  },
};

const strength = strength => {
  document.querySelector('#photo-result').style.setProperty('--strength', strength);
};

Object.assign(window.page, { faces, photo, another, strength });
