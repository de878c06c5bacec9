// The first tab's result, as others show it too: one experiment.

// The clean original over both halves of the slider, for as long as its button is pressed in.
const truth = clean => `<img class="truth" src="${clean.file.url}" alt="${clean.label} face" width="512" height="512">
  <button type="button" class="peek" aria-pressed="false">Show the clean original</button>`;

// What is taken home stands under one control.
const menu = (restored, share) => `<details class="menu"><summary class="save">Save and share</summary><div>
 <a href="${restored.file.url}" download="${restored.name}">Download ${restored.label.toLowerCase()} face (PNG)</a>
 ${
   share && restored.label === 'Restored'
     ? `<button type="button" data-pack="picture">A picture to share (PNG)</button>
 <button type="button" data-pack="animation">A short wipe to share (WebP)</button>`
     : ''
 }
 ${offers(share, 'make')}</div></details>`;
const result = {
  html: (value, label) => {
    if (!value) return `<p class="empty">${label}</p>`;
    const pair = value.pictures.slice(-2),
      [before, after] = pair.map(picture => ({ label: picture.label, url: picture.file.url }));
    return `<div class="grid${after.label === 'Restored' ? ' restored' : ''}">
 ${compared(before, after, { over: value.pictures.length > 2 ? truth(value.pictures[0]) : '' })}
 <section class="facts" aria-label="Measurements">${value.facts}
  ${menu(pair[1], value.share)}
 </section>
 <div class="side">${each(
   value.pictures,
   picture => `<figure>
  <img src="${picture.file.url}" alt="${picture.label} face" width="512" height="512">
  <figcaption>${picture.label} <a href="${picture.file.url}" download="${picture.name}"
   aria-label="Download ${picture.label} as PNG">PNG</a></figcaption></figure>`,
 )}</div>
</div>`;
  },
  start(element, props, trigger, watch) {
    const first = element.closest('#result'),
      at = { now: 50 };
    if (first) opens('result', element);
    watch('value', () => {
      fresh(element);
      slide(element, at);
      if (first) came('result');
    });
    element.addEventListener('click', event => {
      const packs = event.target.closest('[data-pack]');
      if (packs) {
        making(packs);
        trigger('pack', { token: props.value.share.token, kind: packs.dataset.pack, address: location.href.split('#')[0] });
      }
      const peek = event.target.closest('.peek');
      if (!peek) return;
      const pressed = peek.closest('.compare').classList.toggle('clean');
      peek.setAttribute('aria-pressed', pressed);
      peek.textContent = pressed ? 'Back to the slider' : 'Show the clean original';
    });
    handOver(element, () => props.value.share);
    slide(element, at);
  },
};

Object.assign(window.page, { result });
