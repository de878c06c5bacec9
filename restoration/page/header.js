element.addEventListener('click', event => { if (!event.target.closest('button')) return;
  document.querySelectorAll('#tabs [role=tab]')[1].click();
  document.querySelector('#tabs').scrollIntoView({block: 'start'}); });
