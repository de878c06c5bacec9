// The second tab: a photo, its faces, and what became of them.
const faces = {
  html: value =>
    value
      ? `<p class="found" role="status">${value.said}</p>
<figure class="numbered" style="aspect-ratio: ${value.width} / ${value.height}">
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

const photo = {
  html: (value, label) =>
    value
      ? `
<figure class="compare photo" style="aspect-ratio: ${value.width} / ${value.height}">
 <img class="base" src="${value.before.url}" alt="" width="${value.width}" height="${value.height}">
 <img class="after" src="${value.after.url}" alt="The restored photo" width="${value.width}" height="${value.height}">
 <img class="before" src="${value.before.url}" alt="Your photo" width="${value.width}" height="${value.height}">
 <span class="tag left">Your photo</span><span class="tag right">Restored</span>
 <span class="divider"></span>
 <input type="range" min="0" max="100" step="1" value="50"
  aria-label="Divider: your photo on the left, restored on the right">
</figure>
<section class="facts" aria-label="What was done">${value.facts}
 <div class="share"><button type="button" data-pack>Download all (zip)</button></div></section>
<ul class="pairs" aria-label="Faces before and after">${value.faces
          .map(
            face => `<li>
 <img src="${face.before.url}" alt="Face ${face.number} before" width="512" height="512">
 <img src="${face.after.url}" alt="Face ${face.number} restored" width="512" height="512">
 <span>Face ${face.number} <a href="${face.after.url}" download="face_${face.number}.png"
  aria-label="Download restored face ${face.number} as PNG">PNG</a></span></li>`,
          )
          .join('')}</ul>`
      : `<p class="empty">${label}</p>`,
  start(element, props, trigger, watch) {
    const spoken = document.createElement('p');
    let at = 50;
    spoken.className = 'sr';
    spoken.setAttribute('role', 'status');
    element.after(spoken);
    const move = () => {
      const r = element.querySelector('input[type=range]'),
        c = element.querySelector('.compare');
      if (r) {
        r.value = at;
        r.setAttribute('aria-valuetext', at + ' percent');
        c.style.setProperty('--at', at + '%');
      }
    };
    element.addEventListener('input', e => {
      at = +e.target.value;
      move();
    });
    element.addEventListener('click', e => {
      if (e.target.closest('[data-pack]')) trigger('pack', {});
    });
    watch('value', () => {
      move();
      const said = element.querySelector('.verdict');
      if (said) spoken.textContent = said.textContent;
    });
    move();
  },
};

const strength = strength => {
  document.querySelector('#photo-result').style.setProperty('--strength', strength);
};

Object.assign(window.page, { faces, photo, strength });
