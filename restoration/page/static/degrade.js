// The first tab: one experiment, its examples and its controls.

// The clean original over both halves of the slider, for as long as its button is pressed in.
const truth = clean => `<img class="truth" src="${clean.file.url}" alt="${clean.label} face" width="512" height="512">
  <button type="button" class="peek" aria-pressed="false">Show the clean original</button>`;

// A result belongs to the face, seed and settings that were there when it was asked for. Once one of them is changed it is
// dimmed, its downloads are off, and a line says so, until a result for what is there now has come.
const STALE = 'Made with the face and settings before: press a button to see what these give.';
let edits = 0,
  asked = 0;
const mark = () => {
  const stale = asked !== edits,
    shown = document.querySelector('#result');
  shown.classList.toggle('stale', stale);
  document.querySelector('#outdated').textContent = stale ? STALE : '';
};
const edited = () => {
  edits += 1;
  mark();
};
const ask = () => {
  asked = edits;
};
const result = {
  html: (value, label) =>
    value
      ? (([before, after]) => `
<div class="grid">
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
  <a class="save" href="${after.file.url}" download="${after.name}">Download ${after.label.toLowerCase()} face (PNG)</a>
  <div class="offers"></div>
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
    const draw = () => {
      slide(element, at);
      const room = element.querySelector('.offers');
      if (room) room.innerHTML = offers(props.value.share, 'make');
    };
    watch('value', () => {
      draw();
      if (first) mark();
      const said = element.querySelector('.verdict');
      if (said) spoken.textContent = 'New result. ' + said.textContent;
    });
    element.addEventListener('click', event => {
      if (event.target.closest('[data-pack]')) trigger('pack', { token: props.value.share.token });
      const peek = event.target.closest('.peek');
      if (!peek) return;
      const pressed = peek.closest('.compare').classList.toggle('clean');
      peek.setAttribute('aria-pressed', pressed);
      peek.textContent = pressed ? 'Back to the slider' : 'Show the clean original';
    });
    handOver(element, () => props.value.share);
    draw();
  },
};

const example = {
  html: (value, label) => `<button type="button" aria-label="Example: ${value.who}, ${label}">
<img src="${value.picture}" alt="" width="72" height="72"><span>${value.who.split(' ')[0]}<br>${label}</span></button>`,
  start(element, props, trigger) {
    element.addEventListener('click', event => {
      if (!event.target.closest('button')) return;
      ask();
      trigger('click');
    });
  },
};

// A control that cannot change anything is greyed out, as ``idle_controls`` says for the page as it opens.
const gate = (length, sigma, round, across, factor) => {
  const on = x => ({ __type__: 'update', interactive: x });
  return [on(length > 1), on(!round), on(!round && (sigma > 0 || across > 0)), on(factor !== 1)];
};

Object.assign(window.page, { result, example, gate, edited, ask });
