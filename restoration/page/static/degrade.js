// The first tab: one experiment, its examples and its controls.
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
      at = { now: 50 };
    spoken.className = 'sr';
    spoken.setAttribute('role', 'status');
    element.after(spoken);
    const draw = () => {
      slide(element, at);
      const room = element.querySelector('.offers');
      if (room) room.innerHTML = offers(props.value.share, 'make');
    };
    watch('value', () => {
      draw();
      const said = element.querySelector('.verdict');
      if (said) spoken.textContent = 'New result. ' + said.textContent;
    });
    element.addEventListener('click', event => {
      if (event.target.closest('[data-pack]')) trigger('pack', { token: props.value.share.token });
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
      if (event.target.closest('button')) trigger('click');
    });
  },
};

// A control that cannot change anything is greyed out, as ``settings.idle`` says for the page as it opens.
const gate = (length, sigma, round, across, factor) => {
  const on = x => ({ __type__: 'update', interactive: x });
  return [on(length > 1), on(!round), on(!round && (sigma > 0 || across > 0)), on(factor !== 1)];
};

Object.assign(window.page, { result, example, gate });
