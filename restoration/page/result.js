const spoken = document.createElement('p'), at = {now: 50};
spoken.className = 'sr'; spoken.setAttribute('role', 'status'); element.after(spoken);
const draw = () => { slide(element, at); const room = element.querySelector('.offers');
  if (room) room.innerHTML = offers(props.value.share, 'make'); };
watch('value', () => { draw(); const said = element.querySelector('.verdict');
  if (said) spoken.textContent = 'New result. ' + said.textContent; });
element.addEventListener('click', event => {
  if (event.target.closest('[data-pack]')) trigger('pack', {token: props.value.share.token}); });
handOver(element, () => props.value.share); draw();
