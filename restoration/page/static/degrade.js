// The first tab: one experiment, its examples and its controls.

// The clean original over both halves of the slider, for as long as its button is pressed in.
const truth = clean => `<img class="truth" src="${clean.file.url}" alt="${clean.label} face" width="512" height="512">
  <button type="button" class="peek" aria-pressed="false">Show the clean original</button>`;

// A result belongs to the face, seed and settings that were there when it was asked for. Once one of them is changed it is
// dimmed, its downloads are off, and a line says so, until a result for what is there now has come.
let edits = 0,
  asked = 0;
const mark = () => {
  const stale = asked !== edits,
    said = document.querySelector('#outdated');
  if (!said) return; // the page is being put together
  document.querySelector('#result').classList.toggle('stale', stale);
  said.textContent = stale ? say('outdated_face') : '';
};
const edited = () => {
  edits += 1;
  mark();
};
const ask = () => {
  asked = edits;
};
const begin = () => {
  ask();
  starts();
};

// What is taken home stands under one control. What has to be made first says so on its button until it has come.
const menu = (restored, share) => `<details class="menu"><summary class="save">Save and share</summary><div>
 <a href="${restored.file.url}" download="${restored.name}">Download ${restored.label.toLowerCase()} face (PNG)</a>
 ${
   share && restored.label === 'Restored'
     ? `<button type="button" data-pack="picture">A picture to share (PNG)</button>
 <button type="button" data-pack="animation">A short wipe to share (WebP)</button>`
     : ''
 }
 ${offers(share, 'make')}</div></details>`;
let finish = () => {};
const make = (button, share, trigger) => {
  const text = button.textContent;
  button.disabled = true;
  button.textContent = 'Making it …';
  finish = () => {
    button.disabled = false;
    button.textContent = text;
  };
  const address = location.href.split('#')[0];
  trigger('pack', { token: share.token, kind: button.dataset.pack, address });
};
const result = {
  html: (value, label) =>
    value
      ? (([before, after]) => `
<div class="grid${after.label === 'Restored' ? ' restored' : ''}">
 <figure class="compare">
  <img class="after" src="${after.file.url}" alt="${after.label} face" width="512" height="512">
  <img class="before" src="${before.file.url}" alt="${before.label} face" width="512" height="512">
  <span class="tag left">${before.label}</span><span class="tag right">${after.label}</span>
  <span class="divider"></span>
  <input type="range" min="0" max="100" step="1" value="50"
   aria-label="Divider: ${before.label} on the left, ${after.label} on the right">
  ${value.pictures.length > 2 ? truth(value.pictures[0]) : ''}
 </figure>
 <section class="facts" aria-label="Measurements">${value.facts}
  ${menu(after, value.share)}
 </section>
 <div class="side">${value.pictures
   .map(
     picture => `<figure>
  <img src="${picture.file.url}" alt="${picture.label} face" width="512" height="512">
  <figcaption>${picture.label} <a href="${picture.file.url}" download="${picture.name}"
   aria-label="Download ${picture.label} as PNG">PNG</a></figcaption></figure>`,
   )
   .join('')}</div>
</div>`)(value.pictures.slice(-2))
      : `<p class="empty">${label}</p>`,
  start(element, props, trigger, watch) {
    const spoken = document.createElement('p'),
      first = element.closest('#result'),
      at = { now: 50 };
    spoken.className = 'sr';
    spoken.setAttribute('role', 'status');
    element.after(spoken);
    if (first) {
      const outdated = document.createElement('p');
      outdated.id = 'outdated';
      outdated.setAttribute('role', 'status');
      element.before(outdated);
    }
    watch('value', () => {
      slide(element, at);
      if (first) mark();
      const said = element.querySelector('.verdict');
      if (said) spoken.textContent = 'New result. ' + said.textContent;
    });
    element.addEventListener('click', event => {
      const packs = event.target.closest('[data-pack]');
      if (packs) make(packs, props.value.share, trigger);
      const peek = event.target.closest('.peek');
      if (!peek) return;
      const pressed = peek.closest('.compare').classList.toggle('clean');
      peek.setAttribute('aria-pressed', pressed);
      peek.textContent = pressed ? 'Back to the slider' : 'Show the clean original';
    });
    handOver(element, () => props.value.share);
    slide(element, at);
    if (first) mark();
  },
};

const example = {
  html: (value, label) => {
    const hard = word(value.hard);
    return `<button type="button" aria-label="Example: ${value.who}, ${label}${hard && ', ' + hard}">
<img src="${value.picture}" alt="" width="72" height="72">
<span>${value.who.split(' ')[0]}<br>${label}${hard && `<br><small>${hard}</small>`}</span></button>`;
  },
  start(element, props, trigger) {
    element.addEventListener('click', event => {
      const button = event.target.closest('button');
      if (!button) return;
      const text = button.querySelector('span'),
        said = text.innerHTML;
      button.disabled = true;
      text.textContent = word(props.value.busy);
      trigger('click');
      held.push(() => {
        button.disabled = false;
        text.innerHTML = said;
      });
    });
  },
};

Object.assign(window.page, { result, example, edited, ask, begin, made: () => finish() });
