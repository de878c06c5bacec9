const spoken = document.createElement('p'); let at = 50;
spoken.className = 'sr'; spoken.setAttribute('role', 'status'); element.after(spoken);
const move = () => { const r = element.querySelector('input[type=range]'), c = element.querySelector('.compare');
  if (r) { r.value = at; r.setAttribute('aria-valuetext', at + ' percent'); c.style.setProperty('--at', at + '%'); } };
element.addEventListener('input', e => { at = +e.target.value; move(); });
element.addEventListener('click', e => { if (e.target.closest('[data-pack]')) trigger('pack', {}); });
watch('value', () => { move(); const said = element.querySelector('.verdict'); if (said) spoken.textContent = said.textContent; });
move();
